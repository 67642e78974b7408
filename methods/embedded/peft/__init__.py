"""All of peft: its kinds by name with every option of theirs, and presets of LoRA; what is of no use here, refused."""
