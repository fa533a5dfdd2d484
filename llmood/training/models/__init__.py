"""What a loaded model needs; nothing imports these modules before one is to be trained."""
