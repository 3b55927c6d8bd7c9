"""The code that DVC runs: one package per stage, named as in dvc.yaml, run as `python -m stages.NAME`."""
