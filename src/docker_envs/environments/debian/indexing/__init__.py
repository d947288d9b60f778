"""Signed archives of Debian packages: releases, and the indexes in them."""
