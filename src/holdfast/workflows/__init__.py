"""One function per command; the only place where packages meet."""
