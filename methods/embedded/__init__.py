"""Methods inside the backbones: gradients cross them."""
