"""A tower whose output is narrower than its levels, as OPT-350m's, trains beside, inside and from the cache."""

from pathlib import Path

from tpmebench.reports.reading import load_records

METHODS = ("frozen-cached", "frozen-mix", "iisan-cached", "lora")


def save_tower(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import OPTConfig, OPTModel

    vocabulary = {word: number for number, word in enumerate(["<pad>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz "])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")  # type: ignore[assignment]
    OPTModel(
        OPTConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            word_embed_proj_dim=8,
            do_layer_norm_before=False,
            num_hidden_layers=2,
            num_attention_heads=2,
            ffn_dim=32,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    ).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def test_a_tower_with_a_projected_output_is_trained_in_every_way(bench, tmp_path: Path):
    save_tower(tmp_path / "opt")
    arguments = ["run", "--set", "references=false", "--dataset", "bazaar:items=60,users=40", "--epochs", "1"]
    arguments += ["--modalities", "text", "--text-backbone", "opt", "--out", "out", "--strict"]
    ended = bench(*arguments, "--methods", ",".join(METHODS), cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    records = {record.cell.method: record for record in load_records(tmp_path / "out")}
    assert {name: record.status for name, record in records.items()} == dict.fromkeys(METHODS, "ok")
    for record in records.values():
        (tower,) = record.towers.values()
        assert tower.widths == [16, 16, 16] and tower.output == 8
