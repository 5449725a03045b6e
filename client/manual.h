/* What is made of the tables of commands and flags beside --help: the manual page, and what a shell
 * completes by. */
#pragma once

#include <stdio.h>

/* In roff, for man(1). */
void manual_print(FILE *out);
/* For bash, to be sourced. */
void completion_print(FILE *out);
