"""The Memotions Space; everything that it does is in the package memotions-hf."""

from memotions_hf.demo.app import launch
from memotions_hf.demo.publish import use_credentials_secret

use_credentials_secret()
launch()
