"""Commands that compute on a cluster, each of which says by `--help` what it does.

| command | what it does | its own parts |
|---|---|---|
| `ablation.py` | which channels, and how many images, find landslides | |
| `insar.py` | the same sweep, over coherence | |
| `experiment.py` | the ablation under both protocols, on a page | `experiment_page.py` |
| `pretraining.py` | what pretraining without labels saves of labels | `pretraining_plan.py` |
| `transfer.py` | trained on one event or several, scored on another | `transfer_stages.py` |
| `build.py` | `landslide build`, its blocks spread over Dask | |
| `map.py` | `landslide map`, its strips spread over Dask or Ray's actors | |

What they share: `choices.py` says what may be chosen, `options.py` how a command line chooses it,
`planning.py` what follows; `workers.py` and `resources.py` say what computes, `trial.py` trains, in
the thread of `thread.py` and under the bar of `progress.py`, and `curves.py` shows few labels.
"""
