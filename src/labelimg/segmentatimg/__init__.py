"""Cut images into segments, paint the segments into masks; no window."""
