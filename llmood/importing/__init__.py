"""What a model was asked and said elsewhere, made into a run: no engine, no model.

Each row of the file is one prompt. Only the prompt is needed; everything else is used where it is there.

- `prompt` (also read as `question`, `input`): the text that the model was given.
- `messages`: chat turns, `{role, content}`; a last turn of the assistant is the response. With `prompt` too, that is
  the text that the turns became.
- `response` (`answer`, `output`, `completion`): what the model said.
- `id`: a name of the row, once in its file.
- `prompt_tokens`, `response_tokens`: token ids, token texts, or their number.
- `prompt_logprobs`: log p of each prompt token, given those before it.
- `response_logprobs` (`logprobs`): log p of each answer token, given the prompt and those before it.
- `prompt_response_logprobs`: log p of each token of prompt and answer in one list; made of the two where it is left
  out.
- `response_alone_logprobs`: log p of each answer token when the answer is fed without the prompt.
- `draws` (`generations`): further sampled answers, each a text or `{text, token_ids, logprobs, temperature, top_p,
  seed, finish}`.
- `temperature`, `top_p`, `seed`, `finish` (`finish_reason`): how the response was decoded, and why it ended.
- `references` (`reference`, `answers`, `target`): right answers, a text or a list.
- `choices`, `label`, `domain`, `group`, `parent_id`, `language`: as in a task's YAML.
- `confidence`, `correct`: the model's probability of being right, 0 to 1; whether it was: such verdicts are the run's
  correctness. Without them, answers are judged by their references.
- `task`, `population`, `shift`, `severity`, `family`, `split`: where the row belongs. `population` is `id` or `ood`,
  `shift` is `near`, `far` or `covariate`, the tasks of one `family` are grades of one shift, `split` is `test` unless
  it says otherwise. A row that says nothing is ID, in an `--ood` file OOD, in a `--train` file ID of `train`.
- `meta`: a mapping of anything else.

Log-probabilities are natural logarithms, raw (before temperature). A list is the tuned model's; `{"tuned": […], "base":
[…]}` names models. OpenAI's `{"content": [{"token", "logprob"}]}` and the older `{"token_logprobs": […]}` are read too.

**The first token of a prompt has nothing before it.** A prompt of T tokens has T − 1 log-probabilities: T entries of
which the first is null, or T − 1 numbers beside `prompt_tokens`, which says what T is. Anything else could be off by
one, and is refused. An answer of R tokens has R numbers.

A row that can't be used goes to `rejects.jsonl` with its line and the reason, and the rest goes on. A column of another
name is given by `--field prompt=my_column`, one inside another by its path (`--field
response=choices.0.message.content`). Any other column is left out, and said to be, unless `--keep` puts it into `meta`.
In CSV, lists and mappings are JSON.
"""

from llmood.importing.run import import_file

__all__ = ["import_file"]
