"""The parts of `sunflow.config`: sections and error messages. Imports nothing heavy."""
