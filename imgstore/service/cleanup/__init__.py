"""What dead processes left behind, and whether catalog and stores agree."""
