"""What happens before a sitting ends: one question if there is unsaved paint, and waiting for what is being saved."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QPushButton, QWidget

from labelimg.segmentatimg.session import Session


class Leaving:
    """Leads a sitting to its end, or stays."""

    def __init__(self, window: QWidget) -> None:
        self._window = window
        self._then: Callable[[], object] | None = None
        self.box: QMessageBox | None = None

    def leave(self, session: Session | None, then: Callable[[], object]) -> None:
        """Do `then` once nothing can be lost by it; asks once if something painted is unsaved."""
        if self.box is not None:
            return
        if session is None or not (session.unsaved or session.saving):
            then()
        elif not session.unsaved:
            self._then = then
        else:
            self._ask(session, then)

    def go_on(self, session: Session) -> None:
        """Something was saved, or could not be: leave if that was what had to be waited for, stay if it failed."""
        if self._then is None or session.saving:
            return
        then, self._then = self._then, None
        if not session.unsaved:
            then()

    def _ask(self, session: Session, then: Callable[[], object]) -> None:
        count = len(session.unsaved)
        box = self.box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.NoIcon)
        box.setWindowTitle("Unsaved paint")
        box.setText(f"<b>{count} image{' has' if count == 1 else 's have'} paint that was not saved.</b>")
        box.setInformativeText("What you keep for later is there again, unsaved, when you open the folder.")
        save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
        later = box.addButton("Keep for later", QMessageBox.ButtonRole.ActionRole)
        discard = box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        assert isinstance(stay, QPushButton)
        box.setDefaultButton(save)
        box.setEscapeButton(stay)

        def answered(button: QAbstractButton) -> None:
            self.box = None
            if button is save:
                self._then = then
                session.save_all()
                self.go_on(session)
            elif button is later:
                then()
            elif button is discard:
                session.discard_unsaved()
                then()

        box.buttonClicked.connect(answered)
        box.finished.connect(lambda _: setattr(self, "box", None))
        box.open()
