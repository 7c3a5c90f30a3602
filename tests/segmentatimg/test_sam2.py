"""SAM 2 against direct calls of its package: its smallest model with weights by chance. Needs the extra [sam2]."""

from __future__ import annotations

import numpy as np
import pytest

from labelimg.segmentatimg.embeddings import EmbeddingStore
from labelimg.segmentatimg.sam import load_model
from labelimg.torchvision_loading import import_torchvision
from pictures import photograph

torch = pytest.importorskip("torch")
import_torchvision()
build_sam = pytest.importorskip("sam2.build_sam", reason="the extra [sam2] is not installed: see docs/pointing.md")

# The package itself uses what torch deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
EVERYTHING = {"pred_iou_thresh": -10.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}


@pytest.fixture(scope="module", params=["sam2", "sam2.1"])
def checkpoint(request, tmp_path_factory):
    """Saved as the official files are: the weights under the name `model`."""
    torch.manual_seed(3)
    config = f"configs/{request.param}/{request.param}_hiera_t.yaml"
    network = build_sam.build_sam2(config, None, device="cpu", apply_postprocessing=False)
    path = tmp_path_factory.mktemp("sam2") / "tiny.pt"
    torch.save({"model": network.state_dict()}, path)
    return request.param, path


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_model(checkpoint[1], points_per_side=2, thresholds=EVERYTHING)


@pytest.fixture(scope="module")
def coffee():
    return np.ascontiguousarray(photograph("coffee", 150, 100))


def test_the_version_and_the_size_are_read_off_the_weights(checkpoint, model):
    assert model.name == f"{checkpoint[0]}_hiera_t"


def test_prompts_and_kept_embeddings_give_what_a_direct_call_gives(model, coffee, tmp_path):
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    predictor = SAM2ImagePredictor(model._network)
    predictor.set_image(coffee)
    embedding = model.encode(coffee)
    assert len(embedding.arrays) == 3 and embedding.size == (100, 150)
    store = EmbeddingStore(model, tmp_path)
    store.put(store.path(coffee), embedding)
    kept = store.get(store.path(coffee))
    points, labels = np.array([[30, 70], [135, 10]], np.float32), np.array([1, 0], np.int32)
    box = np.array([10, 20, 90, 80], np.float32)
    seen = []
    for prompt in ((points, labels, None), (points, labels, box), (None, None, box), (points[:1], labels[:1], None)):
        alone = prompt[2] is None and len(prompt[0]) == 1
        masks, quality, _ = predictor.predict(prompt[0], prompt[1], box=prompt[2], multimask_output=alone)
        expected = masks[quality.argmax()] > 0
        for each in (embedding, kept):
            assert (model.decode(each, *prompt) == expected).all()
        seen.append(expected)
    assert any((a != b).any() for a in seen for b in seen)


def test_all_masks_are_those_of_the_packages_own_generator(model, coffee):
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

    steps = []
    found = model.generate(coffee, lambda done, total: steps.append((done, total)))
    generator = SAM2AutomaticMaskGenerator(model._network, points_per_side=2, points_per_batch=32, **EVERYTHING)
    expected = [each["segmentation"] for each in generator.generate(coffee)]
    assert len(found) == len(expected) > 0
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    assert steps == [(0, 1), (1, 1)]
