/* The sampling options that run, chat and serve share, and their defaults: what the user
 * says, else what the model's authors advise, else temperature 0.7 with top-p 0.95. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void cli_add_sampling_options(cli_option *out, cli_sampling *v)
{
    minerva_sampling *s = &v->sampling;
    const cli_option options[] = {
        { "--tokens", "-n", CLI_INT, &v->n_tokens, "N", "answer at most N tokens", 0 },
        { "--temp", NULL, CLI_FLOAT, &s->temperature, "T", "temperature; 0 takes the best token",
          &v->given_temp },
        { "--seed", NULL, CLI_UINT64, &s->seed, "S", "seed of the draws (default: random)",
          &v->given_seed },
        { "--top-k", NULL, CLI_INT, &s->top_k, "K", "sample among the K best; 0: off",
          &v->given_top_k },
        { "--top-p", NULL, CLI_FLOAT, &s->top_p, "P", "nucleus sampling; 1: off",
          &v->given_top_p },
        { "--min-p", NULL, CLI_FLOAT, &s->min_p, "P", "least share of the best token's "
          "probability", &v->given_min_p },
        { "--typical", NULL, CLI_FLOAT, &s->typical_p, "P", "locally typical sampling; 1: off", 0 },
        { "--repeat-penalty", NULL, CLI_FLOAT, &s->repeat_penalty, "R", "divide logits of "
          "recent tokens by R", &v->given_repeat },
        { "--repeat-last-n", NULL, CLI_INT, &s->penalty_last_n, "N", "tokens that the penalties "
          "look back at (64); -1: all", 0 },
        { "--presence-penalty", NULL, CLI_FLOAT, &s->presence_penalty, "P", "subtract P if a "
          "token occurred", 0 },
        { "--frequency-penalty", NULL, CLI_FLOAT, &s->frequency_penalty, "P", "subtract P for "
          "each occurrence", 0 },
        { "--dry-multiplier", NULL, CLI_FLOAT, &s->dry_multiplier, "M", "DRY repetition "
          "penalty; 0: off", 0 },
        { "--dry-base", NULL, CLI_FLOAT, &s->dry_base, "B", "its growth per token (1.75)", 0 },
        { "--dry-allowed-length", NULL, CLI_INT, &s->dry_allowed_length, "N", "repetition that "
          "costs nothing (2)", 0 },
        { "--xtc-probability", NULL, CLI_FLOAT, &s->xtc_probability, "P", "chance of excluding "
          "top choices", 0 },
        { "--xtc-threshold", NULL, CLI_FLOAT, &s->xtc_threshold, "P", "from which probability "
          "on", 0 },
        { "--mirostat", NULL, CLI_INT, &s->mirostat, "V", "mirostat 1 or 2; 0: off", 0 },
        { "--mirostat-tau", NULL, CLI_FLOAT, &s->mirostat_tau, "T", "its target surprise (5)", 0 },
        { "--mirostat-eta", NULL, CLI_FLOAT, &s->mirostat_eta, "E", "its rate (0.1)", 0 },
        { "--stop", NULL, CLI_STRINGS, &v->stop, "TEXT", "end the answer before TEXT; may be "
          "repeated", 0 },
    };
    _Static_assert(sizeof options / sizeof *options <= CLI_N_SAMPLING_OPTIONS, "room");
    memcpy(out, options, sizeof options);
}

void cli_settle_sampling(cli_sampling *v, const minerva_model *model)
{
    minerva_sampling advised = { .temperature = 0.7f, .top_p = 0.95f };
    minerva_model_default_sampling(model, &advised);
    if (!v->given_temp) v->sampling.temperature = advised.temperature;
    if (!v->given_top_k) v->sampling.top_k = advised.top_k;
    if (!v->given_top_p) v->sampling.top_p = advised.top_p;
    if (!v->given_min_p) v->sampling.min_p = advised.min_p;
    if (!v->given_repeat) v->sampling.repeat_penalty = advised.repeat_penalty;
    if (!v->given_seed
        && getrandom(&v->sampling.seed, sizeof v->sampling.seed, 0) < 0) v->sampling.seed = 0;
}
