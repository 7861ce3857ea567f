"""An unmodified Glance with its own file store and with `imgstore_file`, side by side in the same process."""
