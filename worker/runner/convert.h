/* convert.h - commands of saegrid-runner beside `run`: SAE files of any format rewritten or run,
 * text to token ids and back.
 *
 * argv[0] is the command.  All print their help, errors and what they did, and return the exit code.
 */
#pragma once

int convert_main(int argc, char **argv);
int infer_main(int argc, char **argv);
int tokenize_main(int argc, char **argv);
