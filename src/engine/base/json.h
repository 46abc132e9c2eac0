/*
 * json.h - reading JSON: token by token, or all of it as a tree in an arena.
 *
 * Strict RFC 8259: one value, no comments, no trailing commas, valid UTF-8, paired surrogates, no duplicate names
 * in an object, and a bounded depth.  Every failure is MAAS_ERR_FORMAT and names the character, counted from 1.
 */
#ifndef MAAS_BASE_JSON_H
#define MAAS_BASE_JSON_H

#include "dtype.h"
#include "mem.h"

#define MAAS_JSON_MAX_DEPTH 512

typedef enum MaasTokenKind {
    MAAS_TOKEN_END = 0,
    MAAS_TOKEN_OPEN_LIST,
    MAAS_TOKEN_CLOSE_LIST,
    MAAS_TOKEN_OPEN_OBJECT,
    MAAS_TOKEN_CLOSE_OBJECT,
    MAAS_TOKEN_COMMA,
    MAAS_TOKEN_COLON,
    MAAS_TOKEN_STRING,
    MAAS_TOKEN_NUMBER,
    MAAS_TOKEN_TRUE,
    MAAS_TOKEN_FALSE,
    MAAS_TOKEN_NULL
} MaasTokenKind;

typedef struct MaasToken {
    MaasTokenKind kind;
    size_t at;     /* where it begins */
    MaasStr bytes; /* as they stand in the text; a string without its quotes and with its escapes */
    bool escaped;  /* string: there are escapes */
} MaasToken;

typedef struct MaasLexer {
    const char *text;
    size_t length, at;
    /* Tensors as text: numbers may also be +1, .5, 1., NaN, Infinity and -Infinity, in any case. */
    bool lenient;
    MaasToken token; /* the current one */
} MaasLexer;

/* Starts before the first token. */
void maas_lexer_init(MaasLexer *lexer, const char *text, size_t length, bool lenient);
/* Reads the next token.  Strings are checked completely here. */
MaasStatus maas_lexer_next(MaasLexer *lexer, MaasError *err);
/* The same, and the token must be of this kind; what: for the message, "a colon". */
MaasStatus maas_lexer_expect(MaasLexer *lexer, MaasTokenKind kind, const char *what, MaasError *err);
/* Records MAAS_ERR_FORMAT "... at character N"; returns it. */
MaasStatus maas_lexer_fail(const MaasLexer *lexer, size_t at, MaasError *err, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));
/* "a number", "the end" ...: what the current token is, for messages. */
const char *maas_token_text(MaasTokenKind kind);
/* Writes a string token's characters to bytes, which have room for token->bytes.length; returns how many. */
size_t maas_token_string(const MaasToken *token, char *bytes);

/* ---- trees ---- */

typedef enum MaasJsonKind {
    MAAS_JSON_NULL = 0,
    MAAS_JSON_BOOL,
    MAAS_JSON_NUMBER,
    MAAS_JSON_STRING,
    MAAS_JSON_LIST,
    MAAS_JSON_OBJECT
} MaasJsonKind;

typedef struct MaasJson MaasJson;

struct MaasJson {
    MaasJsonKind kind;
    bool boolean;
    size_t at;      /* where it begins in the text */
    MaasStr string; /* a string's characters; a number's digits; NUL-terminated */
    double number;
    int64_t n;       /* list, object: how many */
    MaasJson *first; /* list, object: the first one */
    MaasJson *next;  /* the next one of the same list or object */
    MaasStr name;    /* of a member of an object; NUL-terminated */
};

/* Everything lies in the arena, nothing in text. */
MaasStatus maas_json_parse(const char *text, size_t length, MaasArena *arena, MaasJson **out, MaasError *err);
/* The member of this name, or NULL; also when json is NULL or no object. */
const MaasJson *maas_json_member(const MaasJson *json, const char *name);

/* Puts the names in order; the first that stands there twice, or NULL. */
const MaasStr *maas_find_duplicate(const MaasStr **names, size_t n);

#endif
