"""The JSON half of the Image API v2 on Falcon. Image data does not pass here."""
