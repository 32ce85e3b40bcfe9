"""Signals on the screen: own widgets that draw into images with compiled code that lets the engine run on."""
