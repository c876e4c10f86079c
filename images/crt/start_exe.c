// SPDX-License-Identifier: MIT
// Entry point of our own console programs, of every kind: arguments from the C library, then main.
extern int main(int argc, char **argv, char **envp);
__declspec(dllimport) int _configure_narrow_argv(int mode);
__declspec(dllimport) int _initialize_narrow_environment(void);
__declspec(dllimport) int *__p___argc(void);
__declspec(dllimport) char ***__p___argv(void);
__declspec(dllimport) char ***__p__environ(void);
__declspec(dllimport) __attribute__((noreturn)) void exit(int code);
__declspec(dllimport) __attribute__((noreturn)) void abort(void);

void start(void) {
    if (_configure_narrow_argv(1) || _initialize_narrow_environment()) abort();
    exit(main(*__p___argc(), *__p___argv(), *__p__environ()));
}
void __main(void) {}                // mingw targets call it first in main
