"""Segment Anything against direct calls of its package, with a small model of its own classes; checkpoints; memory."""

from __future__ import annotations

import io
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest

import labelimg
from labelimg.segmentatimg import sam_loading
from labelimg.segmentatimg.objects import label_map, stacked
from labelimg.segmentatimg.sam import fingerprint_of, load_model
from labelimg.segmentatimg.sam_adapters import network_of
from labelimg.segmentatimg.sam_loading import architecture, count_of, memory
from labelimg.torchvision_loading import import_torchvision
from pictures import photograph

torch = pytest.importorskip("torch")
import_torchvision()
segment_anything = pytest.importorskip("segment_anything")

EVERYTHING = {"pred_iou_thresh": -10.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads of torch wait for each other longer than they work on a model this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_model(checkpoint, points_per_side=4, thresholds=EVERYTHING)


@pytest.fixture(scope="module")
def coffee():
    return np.ascontiguousarray(photograph("coffee", 150, 100))


def directly(model, image, points=None, labels=None, box=None, several=False):
    predictor = segment_anything.SamPredictor(model._network)
    predictor.set_image(image)
    masks, quality, _ = predictor.predict(points, labels, box=box, multimask_output=several)
    return masks[quality.argmax()]


# ------------------------------------------------------------------------------------------------------ checkpoints


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_the_shape_of_an_official_checkpoint_is_read_off_its_weights(name):
    """The package's own builder against ours, without memory: the weights are tensors of a shape and nothing else."""
    with torch.device("meta"):
        official = segment_anything.sam_model_registry[name]()
    weights = official.state_dict()
    shape = architecture(weights)
    ours = network_of(torch, shape)
    assert shape["name"] == name
    assert {key: value.shape for key, value in ours.state_dict().items()} == {k: v.shape for k, v in weights.items()}
    assert repr(ours) == repr(official)
    for a, b in zip(ours.image_encoder.blocks, official.image_encoder.blocks, strict=True):
        assert (a.window_size, a.attn.num_heads, a.attn.scale) == (b.window_size, b.attn.num_heads, b.attn.scale)
    assert ours.image_encoder.img_size == official.image_encoder.img_size == 1024
    for place in ("embed_dim", "input_image_size", "image_embedding_size"):
        assert getattr(ours.prompt_encoder, place) == getattr(official.prompt_encoder, place)
    for a, b in zip(ours.mask_decoder.transformer.layers, official.mask_decoder.transformer.layers, strict=True):
        assert a.self_attn.num_heads == b.self_attn.num_heads
        assert a.cross_attn_token_to_image.internal_dim == b.cross_attn_token_to_image.internal_dim
        assert a.skip_first_layer_pe == b.skip_first_layer_pe
    assert ours.mask_decoder.num_multimask_outputs == official.mask_decoder.num_multimask_outputs


def test_the_loaded_network_is_the_one_that_was_saved(checkpoint):
    from small_sam import small_sam

    saved, loaded = small_sam(), load_model(checkpoint)._network
    assert saved.state_dict().keys() == loaded.state_dict().keys()
    assert all((a == b).all() for a, b in zip(saved.state_dict().values(), loaded.state_dict().values(), strict=True))
    assert (saved.pixel_mean == loaded.pixel_mean).all() and (saved.pixel_std == loaded.pixel_std).all()
    assert not loaded.training


def test_the_fingerprint_goes_with_the_weights_not_with_the_name(checkpoint, tmp_path):
    copy, other = tmp_path / "copy.pth", tmp_path / "other.pth"
    content = bytearray(checkpoint.read_bytes())
    copy.write_bytes(content)
    content[len(content) // 2] ^= 1
    other.write_bytes(content)
    assert fingerprint_of(copy) == fingerprint_of(checkpoint) != fingerprint_of(other)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(labelimg.UsageError) as error:
        load_model(tmp_path / "none.pth")
    assert one_line(error).startswith(f"--sam-checkpoint {tmp_path / 'none.pth'}: no such file")
    with pytest.raises(labelimg.UsageError):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 neither", b"\x80\x04."])
def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path, content):
    (tmp_path / "text.pth").write_bytes(content)
    with pytest.raises(labelimg.UsageError, match="is no checkpoint, or is damaged"):
        load_model(tmp_path / "text.pth")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_truncated_checkpoint_is_one_line(checkpoint, tmp_path, share):
    content = checkpoint.read_bytes()
    (tmp_path / "part.pth").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(labelimg.UsageError, match=r"is no checkpoint, or is damaged: .* downloaded whole") as error:
        load_model(tmp_path / "part.pth")
    one_line(error)


@pytest.mark.parametrize("state", [{"weight": [1, 2]}, [1, 2], {"model": {"a": 1}}, {1: 2}])
def test_a_checkpoint_of_something_else_is_one_line(tmp_path, state):
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(labelimg.UsageError, match=r"no checkpoint of Segment Anything|holds no weights") as error:
        load_model(tmp_path / "other.pth")
    one_line(error)


def test_weights_that_do_not_fit_are_one_line(checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)
    del state["mask_decoder.output_upscaling.0.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(labelimg.UsageError, match="does not fit the model") as error:
        load_model(tmp_path / "less.pth")
    one_line(error)


def test_no_code_in_a_checkpoint_is_run(tmp_path):
    class Bad:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'was_run'}",)

    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"image_encoder": Bad()}))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("archive/data.pkl", pickle.dumps({"image_encoder": Bad()}))
        zipped.writestr("archive/version", "3\n")
    (tmp_path / "zipped.pth").write_bytes(archive.getvalue())
    for name in ("plain.pth", "zipped.pth"):
        with pytest.raises(labelimg.UsageError, match="is no checkpoint"):
            load_model(tmp_path / name)
    assert not (tmp_path / "was_run").exists()


def test_another_model_than_was_named_and_one_that_is_not_known_are_refused(checkpoint):
    with pytest.raises(labelimg.UsageError, match="of vit of width 32, not of vit_b: leave --sam-model out"):
        load_model(checkpoint, "vit_b")
    with pytest.raises(labelimg.UsageError, match="--sam-model must be one of auto, vit_b, vit_l, vit_h, got 'vit_x'"):
        load_model(checkpoint, "vit_x")


@pytest.mark.parametrize("device", ["cuda:99", "nowhere", "meta:x"])
def test_a_device_that_is_not_there_is_refused(checkpoint, device):
    with pytest.raises(labelimg.UsageError, match=f"--device {device} cannot be used: .*; leave it out or give cpu"):
        load_model(checkpoint, device=device)


@pytest.mark.parametrize("name", ["torch", "segment_anything"])
def test_a_package_that_is_not_installed_is_one_line_that_says_how_to_get_it(checkpoint, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(labelimg.MissingExtraError, match=r"pip install 'labelimg-suite\[sam\]'") as error:
        load_model(checkpoint)
    one_line(error)


def test_a_checkpoint_of_sam_2_needs_its_own_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sam2", None)
    state = {"image_encoder.trunk.patch_embed.proj.weight": torch.zeros(96, 3, 7, 7)}
    torch.save({"model": state}, tmp_path / "sam2.pt")
    with pytest.raises(labelimg.MissingExtraError, match=r"pip install 'labelimg-suite\[sam2\]'"):
        load_model(tmp_path / "sam2.pt")
    with pytest.raises(labelimg.UsageError, match="is a checkpoint of SAM 2, not of vit_b"):
        load_model(tmp_path / "sam2.pt", "vit_b")


# ------------------------------------------------------------------------------------------------------ memory


def test_too_little_memory_for_loading_or_encoding_is_said_before_it_is_taken(checkpoint, coffee, monkeypatch):
    loaded = load_model(checkpoint)
    monkeypatch.setattr(sam_loading, "available_memory", lambda: 1000)
    for act in (lambda: load_model(checkpoint), lambda: loaded.encode(coffee)):
        with pytest.raises(labelimg.ModelError, match=r"takes 0.0 GB of memory and 0.0 GB are free: close") as error:
            act()
        one_line(error)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nSee documentation"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"),
    ],
)
@pytest.mark.parametrize("act", ["set_image", "predict"])
def test_running_out_of_memory_is_one_line_with_what_to_do(model, coffee, monkeypatch, error, act):
    embedding = model.encode(coffee)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(segment_anything.SamPredictor, act, fail)
    with pytest.raises(labelimg.ModelError, match="too little memory for this model: use a smaller one") as raised:
        model.encode(coffee) if act == "set_image" else model.decode(
            embedding, np.ones((1, 2), np.float32), np.ones(1), None
        )
    one_line(raised)


def test_what_torch_really_says_is_understood_and_other_errors_pass():
    with pytest.raises(labelimg.ModelError), memory():
        torch.empty(1 << 55)
    with pytest.raises(RuntimeError, match="shape"), memory():
        torch.ones(2).reshape(5).shape  # noqa: B018


# ------------------------------------------------------------------------------------------------------ prompts


def test_the_embedding_is_the_predictors_own(model, coffee):
    predictor = segment_anything.SamPredictor(model._network)
    predictor.set_image(coffee)
    before = coffee.copy()
    embedding = model.encode(coffee)
    assert embedding.size == (100, 150)
    assert (embedding.arrays[0] == predictor.get_image_embedding().numpy()).all()
    assert embedding.arrays[0].dtype == np.float32
    assert (coffee == before).all()


@pytest.mark.parametrize("size", [(150, 100), (100, 150), (300, 200), (64, 64), (1, 1), (128, 3)])
def test_prompts_arrive_in_the_coordinates_and_the_order_of_a_direct_call(model, size):
    width, height = size
    image = np.random.default_rng(5).integers(0, 255, (height, width, 3), np.uint8)
    embedding = model.encode(image)
    points = np.array([[width * 0.2, height * 0.7], [width * 0.9, height * 0.1], [0, 0]], np.float32)
    labels = np.array([1, 0, 1], np.int32)
    box = np.array([0, height // 4, width * 3 // 4, height - 1], np.float32)
    for each in ((points, labels, None), (points[:2], labels[:2], box), (None, None, box)):
        assert (model.decode(embedding, *each) == directly(model, image, *each)).all()
    turned = points[::-1].copy(), labels[::-1].copy(), None
    assert (model.decode(embedding, *turned) == directly(model, image, *turned)).all()


def test_of_a_single_point_the_best_of_three_masks_is_taken(model, coffee):
    point, label = np.array([[60, 40]], np.float32), np.array([1], np.int32)
    mask = model.decode(model.encode(coffee), point, label, None)
    assert mask.shape == (100, 150) and mask.dtype == bool
    assert (mask == directly(model, coffee, point, label, several=True)).all()


def test_masks_follow_the_prompts(model, coffee):
    """The model's weights are by chance, but it is no constant: else the tests above would prove nothing."""
    embedding, label = model.encode(coffee), np.array([1], np.int32)
    masks = [
        model.decode(embedding, np.array([point], np.float32), label, None) for point in ((5, 5), (140, 90), (60, 40))
    ]
    assert all((a != b).any() for a in masks for b in masks if a is not b)
    assert all(0 < mask.sum() < mask.size for mask in masks)


# ------------------------------------------------------------------------------------------------------ all masks


@pytest.mark.parametrize(("box_nms_thresh", "least"), [(1.0, 48), (0.98, 2)])
def test_all_masks_are_those_of_the_packages_own_generator(checkpoint, coffee, box_nms_thresh, least):
    steps, thresholds = [], {**EVERYTHING, "box_nms_thresh": box_nms_thresh}
    model = load_model(checkpoint, points_per_side=4, thresholds=thresholds)
    found = model.generate(coffee, lambda done, total: steps.append((done, total)))
    generator = segment_anything.SamAutomaticMaskGenerator(model._network, points_per_side=4, **thresholds)
    expected = [each["segmentation"] for each in generator.generate(coffee)]
    assert least <= len(found) == len(expected)
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    assert steps == [(0, 1), (1, 1)]


def test_an_error_of_progress_ends_the_search(model, coffee):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.generate(coffee, stop)


def painter(masks, shape):
    """The slow and obvious way: the largest mask first, each on top of what is there."""
    top = [[0] * shape[1] for _ in range(shape[0])]
    for k in sorted(range(len(masks)), key=lambda k: -sum(masks[k].flat)):
        for y in range(shape[0]):
            for x in range(shape[1]):
                if masks[k][y, x]:
                    top[y][x] = k + 1
    return np.array(top)


def same_partition(a, b):
    return len(set(zip(a.flat, b.flat, strict=True))) == len(set(a.flat)) == len(set(b.flat))


def test_masks_become_one_label_map_smaller_ones_on_top_and_nothing_is_left_out(model, coffee, monkeypatch, checkpoint):
    from skimage.measure import label

    from labelimg.segmentatimg.methods.sam import SamMasks

    monkeypatch.setattr(SamMasks, "load", lambda self: model)
    labels = SamMasks(checkpoint=str(checkpoint)).segment(coffee)
    masks = model.generate(coffee)
    expected = label(painter(masks, labels.shape) + 1, background=0, connectivity=1)
    assert labels.dtype == np.int32 and labels.min() == 1
    assert same_partition(labels, expected)


def test_of_equal_masks_the_later_one_is_on_top_and_a_hidden_one_has_no_segment():
    a = np.array([[1, 1, 1, 0]], bool)
    b = np.array([[0, 1, 1, 1]], bool)
    part = np.array([[0, 0, 1, 0]], bool)
    assert stacked([part, a, b], (4, 1)).tolist() == [[2, 3, 1, 3]]
    assert stacked([], (2, 1)).tolist() == [[0, 0]]
    assert label_map([a, a], np.zeros((1, 4, 3), np.uint8)).tolist() == [[1, 1, 1, 2]]


def test_the_rest_is_divided_into_connected_regions_or_superpixels(coffee):
    band = np.zeros((100, 150), bool)
    band[:, 70:80] = True
    connected = label_map([band], coffee)
    assert connected.max() == 3 and same_partition(connected, np.digitize(np.tile(np.arange(150), (100, 1)), [70, 80]))
    superpixels = label_map([band], coffee, "superpixel")
    own = labelimg.segment(coffee, method="superpixel")
    assert len(np.unique(superpixels[band])) == 1 and superpixels.min() == 1
    for side in (np.s_[:, :70], np.s_[:, 80:]):
        assert len(np.unique(superpixels[side])) >= len(np.unique(own[side]))
    assert not set(superpixels[band]) & set(superpixels[~band])
    with pytest.raises(labelimg.UsageError, match="around must be one of superpixel, connected"):
        label_map([band], coffee, "nothing")


def test_a_large_image_is_looked_at_reduced_and_the_boundaries_are_refined(model, monkeypatch):
    from labelimg.segmentatimg.methods.sam import SamMasks

    seen = []
    plain = type(model).generate
    monkeypatch.setattr(SamMasks, "load", lambda self: model)
    monkeypatch.setattr(
        type(model), "generate", lambda self, image, p=None: (seen.append(image.shape), plain(self, image, p))[1]
    )
    labels = SamMasks(work_size=64).segment(photograph("coffee", 320, 240))
    assert seen == [(48, 64, 3)] and labels.shape == (240, 320) and labels.min() == 1


@pytest.mark.parametrize("kind", ["grey", "alpha", "sixteen"])
def test_grey_alpha_and_16_bit_images_are_cut_as_their_rgb(model, coffee, monkeypatch, kind):
    from labelimg.segmentatimg.methods.sam import SamMasks

    monkeypatch.setattr(SamMasks, "load", lambda self: model)
    grey = coffee[..., 1]
    image, rgb = {
        "grey": (grey, np.dstack([grey] * 3)),
        "alpha": (np.dstack([coffee, np.full(grey.shape, 255, np.uint8)]), coffee),
        "sixteen": (coffee.astype(np.uint16) * 257, coffee),
    }[kind]
    assert (SamMasks().segment(image) == SamMasks().segment(rgb)).all()


def test_parts_are_counted_by_their_numbers():
    assert count_of({"a.0.x": 1, "a.0.y": 1, "a.11.x": 1, "b.1": 1}, "a.") == 2


# ------------------------------------------------------------------------------------------------------ torchvision


def plain_nms(boxes, scores, threshold):
    left, kept = sorted(range(len(boxes)), key=lambda k: -scores[k]), []
    while left:
        k = left.pop(0)
        kept.append(k)
        x0, y0, x1, y1 = boxes[k]

        def overlap(other):
            a0, b0, a1, b1 = boxes[other]
            shared = max(0, min(x1, a1) - max(x0, a0)) * max(0, min(y1, b1) - max(y0, b0))  # noqa: B023
            return shared / ((x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - shared)  # noqa: B023

        left = [other for other in left if overlap(other) <= threshold]
    return kept


def test_the_operators_in_place_of_torchvisions_compiled_ones_keep_what_a_plain_loop_keeps():
    from labelimg.torchvision_loading import nms

    random = np.random.default_rng(8)
    for count in (0, 1, 2, 40):
        corner = random.integers(0, 60, (count, 2))
        boxes = np.hstack([corner, corner + random.integers(1, 40, (count, 2))]).astype(np.float32)
        scores = random.permutation(count).astype(np.float32)
        for threshold in (0.0, 0.3, 0.7, 1.0):
            expected = plain_nms(boxes.tolist(), scores.tolist(), threshold)
            arguments = torch.from_numpy(boxes.reshape(-1, 4)), torch.from_numpy(scores), threshold
            assert nms(*arguments).tolist() == expected
            assert torch.ops.torchvision.nms(*arguments).tolist() == expected
