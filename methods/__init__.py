"""The methods, one file each, with what they share: towers, feature cache, fusion, head and loss."""
