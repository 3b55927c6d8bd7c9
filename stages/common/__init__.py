"""What two or more stages need. Imports no stage, no torch, no axolotl and no vLLM."""
