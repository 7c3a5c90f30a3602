"""A small Segment Anything model of the package's own classes, its weights by chance, saved as a checkpoint file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any


def small_sam(seed: int = 0) -> Any:
    """A model that looks at images of 128 pixels; its masks mean nothing, but they follow the prompts."""
    import torch

    from labelimg.torchvision_loading import import_torchvision

    import_torchvision()
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(seed)
    model = Sam(
        image_encoder=ImageEncoderViT(
            depth=2,
            embed_dim=32,
            img_size=128,
            mlp_ratio=4,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            num_heads=2,
            patch_size=16,
            qkv_bias=True,
            use_rel_pos=True,
            global_attn_indexes=[1],
            window_size=4,
            out_chans=32,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=32, image_embedding_size=(8, 8), input_image_size=(128, 128), mask_in_chans=16
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=8),
            transformer_dim=32,
            iou_head_depth=3,
            iou_head_hidden_dim=32,
        ),
    )
    return model.eval()


def save_small_sam(path: Path, seed: int = 0) -> Any:
    """Save such a model as official checkpoints are saved, its weights alone; gives the model."""
    import torch

    model = small_sam(seed)
    torch.save(model.state_dict(), path)
    return model
