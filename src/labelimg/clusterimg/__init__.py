"""clusterimg: sort a folder of mixed images into folders of similar ones."""
