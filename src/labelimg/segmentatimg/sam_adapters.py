"""The packages segment-anything and sam2 behind the protocol of `sam.Model`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.regions import Pixels
from labelimg.segmentatimg.sam import Embedding, Mask, Progress
from labelimg.segmentatimg.sam_loading import check_memory, count_of, memory, package, put_in, torch_module

_SAM2_CONFIGS = {(96, 12): "t", (96, 16): "s", (112, 24): "b+", (144, 48): "l"}  # (width, blocks) of the trunk


class _Adapter:
    """What both packages have in common."""

    name: str
    fingerprint: str
    _torch: Any
    _network: Any
    _predictor: Any
    _generator: Any
    _options: Mapping[str, Any]

    def decode(
        self,
        embedding: Embedding,
        points: NDArray[np.float32] | None,
        labels: NDArray[np.int32] | None,
        box: NDArray[np.float32] | None,
    ) -> Mask:
        """The mask of one object."""
        several = box is None and points is not None and len(points) == 1
        with memory(), self._torch.inference_mode():
            masks, quality, _ = self._opened(embedding).predict(
                point_coords=points, point_labels=labels, box=box, multimask_output=several
            )
        return np.asarray(masks[int(np.argmax(quality))] > 0)

    def generate(self, image: Pixels, progress: Progress | None = None) -> list[Mask]:
        """Masks of all that is in the image."""
        options = self._options
        batches = -(-(int(options["points_per_side"]) ** 2) // int(options["points_per_batch"]))
        with memory(), self._torch.inference_mode():
            generator = _watched(self._generator, progress, batches)(self._network, **options)
            return [np.asarray(each["segmentation"], np.bool_) for each in generator.generate(image)]

    def _opened(self, embedding: Embedding) -> Any:
        raise NotImplementedError

    def _tensor(self, array: NDArray[np.float32]) -> Any:
        return self._torch.from_numpy(array).to(self._network.device)


class Sam(_Adapter):
    """Segment Anything."""

    def __init__(
        self, state: Mapping[str, Any], shape: dict[str, Any], fingerprint: str, device: str, options: Mapping[str, Any]
    ) -> None:
        torch = self._torch = torch_module()
        found = package("segment_anything", "sam")
        network = network_of(torch, shape)
        put_in(network, state, shape["name"])
        network.pixel_mean = torch.tensor([123.675, 116.28, 103.53]).view(-1, 1, 1)
        network.pixel_std = torch.tensor([58.395, 57.12, 57.375]).view(-1, 1, 1)
        self._network = network.eval().to(device)
        self._predictor, self._generator = found.SamPredictor, found.SamAutomaticMaskGenerator
        self._options = options
        self.name, self.fingerprint = shape["name"], fingerprint
        # Attention over the whole image holds a value for each two of its patches, and three times that at its peak.
        encoder = shape["encoder"]
        patches = (encoder["img_size"] // encoder["patch_size"]) ** 2
        self._encoding = int(3.4 * encoder["num_heads"] * patches**2 * np.float32().itemsize)

    def encode(self, image: Pixels) -> Embedding:
        """The embedding of an image."""
        predictor = self._predictor(self._network)
        if self._network.device.type == "cpu":
            check_memory(self._encoding, f"encoding an image with {self.name}")
        with memory(), self._torch.inference_mode():
            predictor.set_image(np.ascontiguousarray(image))
            return Embedding((array_of(predictor.features),), (image.shape[0], image.shape[1]))

    def _opened(self, embedding: Embedding) -> Any:
        predictor = self._predictor(self._network)
        predictor.features = self._tensor(embedding.arrays[0])
        predictor.original_size = embedding.size
        transform = predictor.transform
        predictor.input_size = transform.get_preprocess_shape(*embedding.size, transform.target_length)
        predictor.is_image_set = True
        return predictor


def network_of(torch: Any, shape: dict[str, Any]) -> Any:
    """A network of the package's classes, of the shape that `architecture` gives; it takes no memory (`meta`)."""
    from segment_anything import modeling as parts

    encoder, size = shape["encoder"], shape["encoder"]["img_size"]
    side = size // encoder["patch_size"]
    with torch.device("meta"):
        return parts.Sam(
            image_encoder=parts.ImageEncoderViT(
                norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), qkv_bias=True, use_rel_pos=True, **encoder
            ),
            prompt_encoder=parts.PromptEncoder(
                embed_dim=encoder["out_chans"],
                image_embedding_size=(side, side),
                input_image_size=(size, size),
                mask_in_chans=shape["mask_in_chans"],
            ),
            mask_decoder=parts.MaskDecoder(
                transformer=parts.TwoWayTransformer(**shape["transformer"]),
                transformer_dim=shape["transformer"]["embedding_dim"],
                **shape["decoder"],
            ),
        )


class Sam2(_Adapter):
    """SAM 2; its predictor and its generator have the same calls."""

    def __init__(self, state: Mapping[str, Any], fingerprint: str, device: str, options: Mapping[str, Any]) -> None:
        self._torch = torch_module()
        package("sam2", "sam2")
        trunk = "image_encoder.trunk."
        form = int(state[trunk + "patch_embed.proj.weight"].shape[0]), count_of(state, trunk + "blocks.")
        if form not in _SAM2_CONFIGS:
            raise UsageError(f"the checkpoint is of a SAM 2 model that is not known: width {form[0]}, {form[1]} blocks")
        newer = "obj_ptr_tpos_proj.weight" in state
        version, letter = "2.1" if newer else "2", _SAM2_CONFIGS[form]
        self.name, self.fingerprint = f"sam{version}_hiera_{letter}", fingerprint
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
        from sam2.build_sam import build_sam2
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        config = f"configs/sam{version}/sam{version}_hiera_{letter}.yaml"
        network = build_sam2(config, ckpt_path=None, device="cpu", mode="eval", apply_postprocessing=False)
        put_in(network, state, self.name)
        self._network = network.eval().to(device)
        self._predictor, self._generator = SAM2ImagePredictor, SAM2AutomaticMaskGenerator
        self._options = options

    def encode(self, image: Pixels) -> Embedding:
        """The embedding of an image."""
        predictor = self._predictor(self._network)
        with memory(), self._torch.inference_mode():
            predictor.set_image(np.ascontiguousarray(image))
            features = predictor._features
            arrays = (array_of(features["image_embed"]), *(array_of(each) for each in features["high_res_feats"]))
        return Embedding(arrays, (image.shape[0], image.shape[1]))

    def _opened(self, embedding: Embedding) -> Any:
        predictor = self._predictor(self._network)
        first, *finer = (self._tensor(each) for each in embedding.arrays)
        predictor._features = {"image_embed": first, "high_res_feats": finer}
        predictor._orig_hw = [embedding.size]
        predictor._is_image_set = True
        return predictor


def _watched(generator: Any, progress: Progress | None, batches: int) -> Any:
    """The package's generator, telling of each batch of points; an error raised by `progress` ends it."""

    class Watched(generator):  # type: ignore[misc]
        done = 0

        def _process_batch(self, *arguments: Any, **more: Any) -> Any:
            if progress is not None:
                progress(self.done, batches)
            result = super()._process_batch(*arguments, **more)
            self.done += 1
            if progress is not None:
                progress(self.done, batches)
            return result

    return Watched


def array_of(tensor: Any) -> NDArray[np.float32]:
    """The tensor as an array in memory."""
    return np.ascontiguousarray(tensor.detach().to("cpu").float().numpy())
