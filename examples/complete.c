/* The shortest useful program: complete a text, printing it as it comes.
 *
 *     cc complete.c $(pkg-config --cflags --libs minerva) -o complete
 *     ./complete model.gguf "Once upon a time" 40
 */
#include <minerva.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool print_piece(void *ctx, const minerva_piece *piece)
{
    fwrite(piece->text, 1, piece->len, stdout);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL PROMPT [N]\n", argv[0]);
        return 2;
    }
    minerva_error err = { 0 };
    minerva_model *model = NULL;
    minerva_session *session = NULL;
    int32_t *prompt = NULL;
    size_t n;
    minerva_generate_options options = {
        .max_tokens = argc > 3 ? atoi(argv[3]) : 40, .on_piece = print_piece,
    };
    minerva_status st = minerva_model_open(&model, argv[1], NULL, &err);
    if (st == MINERVA_OK) st = minerva_session_create(&session, model, &err);
    if (st == MINERVA_OK)
        st = minerva_tokenize(model, argv[2], strlen(argv[2]), NULL, &prompt, &n, &err);
    if (st == MINERVA_OK) st = minerva_generate(session, prompt, n, &options, NULL, &err);
    if (st != MINERVA_OK) fprintf(stderr, "%s\n", err.message);
    minerva_free(prompt);
    minerva_session_free(session);
    minerva_model_close(model);
    return st == MINERVA_OK ? 0 : 1;
}
