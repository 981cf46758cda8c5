"""What travels: the parts list of each image and, with the offline bundle, its layout, trust and verification."""
