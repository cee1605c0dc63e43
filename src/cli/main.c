/* The program: finds the verb and hands the rest to it. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    cli_verb_fn *fn;
    const char *about;
} verbs[] = {
    { "run", cli_run, "one answer" },
    { "chat", cli_chat, "a conversation in the terminal" },
    { "serve", cli_serve, "an OpenAI-compatible server" },
    { "app", cli_app, "the web page in a window" },
    { "show", cli_show, "what a model is and what it needs" },
    { "list", cli_list_models, "the models that are here" },
    { "search", cli_search, "find models on the hub" },
    { "pull", cli_pull, "fetch a model from the hub" },
    { "rm", cli_rm, "remove a model" },
    { "alias", cli_alias, "another name for a model; pins" },
    { "config", cli_config, "how a model is run by default" },
    { "convert", cli_convert, "a model in the other form: GGUF or MLX" },
    { "quantize", cli_quantize, "a model in other types" },
    { "bench", cli_bench, "speed beside the machine's limits" },
    { "cache", cli_cache, "cached prompts on disk: list, clear" },
    { "tokenize", cli_tokenize, "text to tokens and back" },
    { "render", cli_render, "a conversation through the chat template" },
    { "logits", cli_logits, "what the network says after some tokens" },
    { "embed", cli_embed, "a text's embedding" },
    { "schema", cli_schema, "what can be enforced of JSON Schemas" },
    { "backends", cli_backends, "what models can run on here" },
    { "doctor", cli_doctor, "check the installation" },
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static int help(FILE *out)
{
    fprintf(out, "Minerva %s: runs GGUF and MLX language models, here.\n\n"
            "usage: minerva VERB [arguments]\n\n", minerva_version());
    for (int i = 0; i < N_VERBS; i++) fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].about);
    fprintf(out, "\n\"minerva VERB --help\" tells more.  Models lie in %s/models.\n", cli_home());
    return out == stdout ? CLI_OK : CLI_USAGE;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);       /* a closed pipe is a failed write, not a death */
    if (argc < 2) return help(stderr);
    const char *verb = argv[1];
    if (!strcmp(verb, "--version") || !strcmp(verb, "-V") || !strcmp(verb, "version")) {
        printf("minerva %s\n", minerva_version());
        return CLI_OK;
    }
    if (!strcmp(verb, "--help") || !strcmp(verb, "-h")) return help(stdout);
    bool wants_help = !strcmp(verb, "help");
    if (wants_help && argc < 3) return help(stdout);
    if (wants_help) verb = argv[2];
    for (int i = 0; i < N_VERBS; i++) {
        if (strcmp(verb, verbs[i].name)) continue;
        if (wants_help) return verbs[i].fn(1, (char *[]){ "--help", NULL });
        int code = verbs[i].fn(argc - 2, argv + 2);
        if (fflush(stdout) && code == CLI_OK) return cli_fail_with("the output cannot be written");
        return code;
    }
    return cli_usage("%s: no such verb; \"minerva help\" lists them", verb);
}
