"""Call compiled kernels without loading the compiler.

Numba compiles a kernel the first time; its machine code is kept in a file, and from then on llvmlite alone loads it:
0.05 s of one core in place of the 0.37 s that importing numba and its own cache take.

A kernel is a function of a module of its own kind: decorated with `numba.njit`, taking C-contiguous arrays, whole
numbers (int64) and real ones (float64), and returning nothing or some whole numbers. It allocates nothing and calls
nothing outside its package: what room it needs it is given. All release the GIL.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from labelimg.errors import OutputError
from labelimg.files import make_folder, write_atomic

_FORMAT = b"1"
_SETTINGS = ("NUMBA_BOUNDSCHECK", "NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME", "NUMBA_OPT")
_FOLDER = "NUMBA_CACHE_DIR"
_LIBRARY = {"memset", "memcpy", "memmove", "sqrt", "sqrtf"}
# Numba's clean-up of arrays of its own: ours belong to the caller, so it is never reached.
_NEVER_CALLED = "NRT_MemInfo_call_dtor"
_RAISED = -1
_NONE = -2

_Kind = str | tuple[str, int]  # "int64", "float64", or the dtype and dimensions of an array
_engine_lock = threading.Lock()


@dataclass(frozen=True)
class _Code:
    """Machine code: the name to call, how many whole numbers it returns, the object file."""

    symbol: str
    returned: int
    machine_code: bytes


class Compiled:
    """A compiled kernel: call it as the function in `module` (a full name) would be.

    The first call with arguments of a kind loads its machine code, or compiles it where no earlier run has. Raises
    IndexError where NUMBA_BOUNDSCHECK is set and the kernel reads outside its arrays, TypeError for an argument that
    no kernel takes.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name
        self._loaded: dict[tuple[_Kind, ...], Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run it; gives nothing, a whole number or a tuple of them."""
        kinds = tuple(map(_kind, arguments))
        function = self._loaded.get(kinds)
        if function is None:
            function = self._loaded[kinds] = _function(self._module, self._name, kinds)
        return function(*arguments)

    def is_kept(self, *arguments: Any) -> bool:
        """Whether an earlier run has compiled it for arguments of this kind, so that a call needs no compiler."""
        source, file_name = _place(self._module, self._name, tuple(map(_kind, arguments)))
        return any((folder / file_name).exists() for folder in _folders(source.parent))

    def __repr__(self) -> str:
        return f"Compiled({self._module!r}, {self._name!r})"


def _kind(argument: Any) -> _Kind:
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise TypeError("a kernel takes C-contiguous arrays alone")
        return _dtype_name(argument.dtype), argument.ndim
    if isinstance(argument, (int, np.integer)):
        return "int64"
    if isinstance(argument, (float, np.floating)):
        return "float64"
    raise TypeError(f"a kernel takes no {type(argument).__name__}")


@functools.cache
def _dtype_name(dtype: np.dtype[Any]) -> str:
    return dtype.name  # NumPy makes it anew each time, which takes longer than all else about an argument


def _function(module: str, name: str, kinds: tuple[_Kind, ...]) -> Callable[..., Any]:
    """What calls the machine code with Python's values."""
    code = _code(module, name, kinds)
    parameters: list[Any] = [ctypes.c_void_p, ctypes.c_void_p]
    for kind in kinds:
        if isinstance(kind, tuple):
            # As numba has it: owner twice (none), items, bytes of an item, address, shape, strides.
            parameters += [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
            parameters += [ctypes.c_int64] * (2 * kind[1])
        else:
            parameters.append(ctypes.c_int64 if kind == "int64" else ctypes.c_double)
    run = ctypes.CFUNCTYPE(ctypes.c_int32, *parameters)(_loaded(code))  # releases the GIL
    returned = max(1, code.returned)

    def call(*arguments: Any) -> Any:
        numbers = (ctypes.c_int64 * returned)()
        raised = ctypes.c_void_p()
        flat: list[Any] = [ctypes.addressof(numbers), ctypes.addressof(raised)]
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                flat += (None, None, argument.size, argument.itemsize, argument.ctypes.data)
                flat += argument.shape
                flat += argument.strides
            else:
                flat.append(argument)
        status = run(*flat)
        if status not in (0, _NONE):
            raise IndexError(f"the kernel {name} read outside its arrays")
        if code.returned == 0:
            return None
        return numbers[0] if code.returned == 1 else tuple(numbers)

    return call


def _loaded(code: _Code) -> int:
    """The address of the code, which stays in the process."""
    with _engine_lock:
        import llvmlite.binding as llvm

        engine = _engine()
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.machine_code))
        engine.finalize_object()
        return int(engine.get_function_address(code.symbol))


@functools.cache
def _engine() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.add_symbol(_NEVER_CALLED, ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value)
    machine = llvm.Target.from_default_triple().create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def _code(module: str, name: str, kinds: tuple[_Kind, ...]) -> _Code:
    """The machine code from an earlier run, else compiled now and kept if some folder takes it."""
    source, file_name = _place(module, name, kinds)
    for folder in _folders(source.parent):
        found = _kept(folder / file_name)
        if found is not None:
            return found
    made = _compile(module, name, kinds)
    head = f"{made.symbol} {made.returned}\n".encode()
    body = head + made.machine_code
    for folder in _folders(source.parent):
        try:
            make_folder(folder)
            write_atomic(folder / file_name, hashlib.sha256(body).digest() + body)
            break
        except OutputError:
            continue
    return made


def _place(module: str, name: str, kinds: tuple[_Kind, ...]) -> tuple[Path, str]:
    """The source of a kernel, and the name of the file that keeps its machine code."""
    source = Path(_origin(module))
    return source, f"{source.stem}.{name}-{_key(source.parent, name, kinds)}.o"


def _folders(package: Path) -> Iterator[Path]:
    """Where machine code may be kept, the first that can be written: beside the source, or else with the user."""
    if os.environ.get(_FOLDER):
        yield Path(os.environ[_FOLDER])
        return
    yield package / "__pycache__"
    from platformdirs import user_cache_path

    yield user_cache_path("labelimg") / "kernels"


def _kept(path: Path) -> _Code | None:
    """What the file holds; None where there is none or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = data[32:]
    if hashlib.sha256(body).digest() != data[:32]:
        return None
    head, _, machine_code = body.partition(b"\n")
    symbol, returned = head.decode().rsplit(" ", 1)
    return _Code(symbol, int(returned), machine_code)


def _key(package: Path, name: str, kinds: tuple[_Kind, ...]) -> str:
    """Names all that the machine code depends on: the package's sources, the compiler, the processor."""
    import llvmlite.binding as llvm

    compiler = os.stat(_origin("numba"))
    parts = [
        _FORMAT,
        *(path.name.encode() + path.read_bytes() for path in sorted(package.glob("*.py"))),
        f"{sys.version_info[:2]} {compiler.st_size} {compiler.st_mtime_ns} {llvm.llvm_version_info}".encode(),
        f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}".encode(),
        repr([os.environ.get(setting) for setting in _SETTINGS]).encode(),
        f"{name} {kinds}".encode(),
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:24]


@functools.cache
def _origin(module: str) -> str:
    """The file of a module, which is not imported by this."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


def _compile(module: str, name: str, kinds: tuple[_Kind, ...]) -> _Code:
    """Compile the kernel with numba, without the parts by which Python would call it."""
    import numba
    from numba import types

    function = getattr(import_module(module), name)
    signature = tuple(
        types.Array(getattr(types, kind[0]), kind[1], "C") if isinstance(kind, tuple) else getattr(types, kind)
        for kind in kinds
    )
    options = {**function.targetoptions, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    bare = numba.jit(**options)(function.py_func)
    bare.compile(signature)
    made = bare.overloads[signature]
    # The code may use nothing of numba's: at the next run numba will not be there.
    declared = {line.split("@")[1].split("(")[0] for line in _declarations(made.library.get_llvm_str())}
    unknown = declared - _LIBRARY - {_NEVER_CALLED}
    assert not unknown, f"the kernel {name} calls {', '.join(sorted(unknown))}"
    return _Code(made.fndesc.llvm_func_name, _numbers(made.signature.return_type, types), _object_code(made))


def _declarations(llvm_text: str) -> list[str]:
    return [line for line in llvm_text.splitlines() if line.startswith("declare ") and " @llvm." not in line]


def _numbers(returned: Any, types: Any) -> int:
    """How many whole numbers a kernel returns."""
    if returned == types.none:
        return 0
    numbers = [returned] if returned == types.int64 else list(returned)
    assert all(each == types.int64 for each in numbers), f"a kernel returns whole numbers alone, not {returned}"
    return len(numbers)


def _object_code(made: Any) -> bytes:
    _, kind, (machine_code, _) = made.library.serialize_using_object_code()
    assert kind == "object"
    return bytes(machine_code)
