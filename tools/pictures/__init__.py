"""The README's pictures, drawn from dvc.yaml and plots/."""
