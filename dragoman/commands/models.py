"""`dragoman models`."""


def models() -> None:
    """List the bundles that come with Dragoman: languages, size, BLEU."""
    from rich.console import Console
    from rich.table import Table

    from dragoman.model.bundle import read_config, shipped_bundles, size_on_disk

    table = Table("name", "directions", "parameters", "on disk", "BLEU")
    for folder in shipped_bundles():
        config = read_config(folder)
        scores = [score for score in config.scores if score.metric == "BLEU"]
        table.add_row(
            config.name,
            ", ".join(map(str, config.directions)),
            f"{config.num_parameters / 1e6:.1f} M",
            f"{size_on_disk(folder) / 2**20:.1f} MiB",
            "\n".join(f"{score.direction} {score.score:.1f} ({score.test_set})" for score in scores) or "not measured",
        )
    Console().print(table)
