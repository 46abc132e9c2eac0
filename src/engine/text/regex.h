/*
 * regex.h - regular expressions in RE2's syntax: matching a whole text in time bounded by text times program, and
 * searching.
 *
 * A program is one block without pointers, so that it may lie in a mapped file.  Not here: what RE2 offers beyond
 * a yes or no (submatches), Unicode scripts (\p{Greek}; general categories work), \C.
 */
#ifndef MAAS_TEXT_REGEX_H
#define MAAS_TEXT_REGEX_H

#include "../base/mem.h"

#define MAAS_REGEX_MAX_PROGRAM 50000 /* instructions */
#define MAAS_REGEX_MAX_REPEAT 1000   /* as in RE2, nested counts multiplied */
#define MAAS_REGEX_MAX_DEPTH 200     /* of groups */

typedef struct MaasRegex MaasRegex;

/* Compiles a pattern; *program is allocated from mem and has *bytes.  A pattern that is not RE2's fails with
 * MAAS_ERR_FORMAT and the place, one that is too large with MAAS_ERR_LIMIT. */
MaasStatus maas_regex_compile(const char *pattern, size_t length, MaasMem *mem, MaasRegex **program, size_t *bytes,
                              MaasError *err);
/* Bytes of working memory that a match needs. */
size_t maas_regex_work_size(const MaasRegex *program);

typedef enum MaasMatch { MAAS_NO_MATCH, MAAS_MATCH, MAAS_MATCH_STOPPED } MaasMatch;

/* Whether the whole text matches.  stop is polled now and then and may be NULL. */
MaasMatch maas_regex_full_match(const MaasRegex *program, const char *text, size_t length, void *work,
                                bool (*stop)(void *arg), void *arg);

/* The first match that begins at text[from] or later, and of those at its place the longest.  *start and *end are
 * set for MAAS_MATCH only. */
MaasMatch maas_regex_search(const MaasRegex *program, const char *text, size_t length, size_t from, size_t *start,
                            size_t *end, void *work, bool (*stop)(void *arg), void *arg);

#endif
