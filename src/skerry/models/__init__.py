"""Models: what agents may name. Hosts are LiteLLM's business."""
