"""A trained backbone as a folder that timm loads by itself, in the layout of the Hugging Face hub."""
