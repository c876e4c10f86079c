// SPDX-License-Identifier: MIT
// library.c's exports in another language, for the native view of library.mixed.dll: two compilers in one image.
var architecture_value: c_int = 1;
var architecture_pointer: *volatile c_int = &architecture_value; // a base relocation in writable data

fn addOne(x: c_int) callconv(.c) c_int {
    return x + 1;
}
fn addTwo(x: c_int) callconv(.c) c_int {
    return x + 2;
}
const Operation = *const fn (c_int) callconv(.c) c_int;
const operations = [2]Operation{ &addOne, &addTwo }; // base relocations in read-only data

export fn architecture() callconv(.c) c_int {
    return architecture_pointer.*;
}
export fn apply(which: c_int, x: c_int) callconv(.c) c_int {
    return operations[@as(usize, @intCast(which & 1))](x);
}
export fn call_back(f: Operation, x: c_int) callconv(.c) c_int {
    return f(x) + 1;
}
export fn dll_main(_: ?*anyopaque, reason: c_uint, _: ?*anyopaque) callconv(.c) c_int {
    return @intFromBool(reason < 4);
}
