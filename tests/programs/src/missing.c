// SPDX-License-Identifier: MIT
// Imports a function that its DLL does not export.
// import: architecture not_there
__declspec(dllimport) int architecture(void);
__declspec(dllimport) int not_there(void);

int main(void)
{
    return architecture() + not_there();
}
