"""Images on their way: uploads, downloads and copies, whatever carries the bytes."""
