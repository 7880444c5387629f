"""A small convolutional network for digits: training and evaluation."""
