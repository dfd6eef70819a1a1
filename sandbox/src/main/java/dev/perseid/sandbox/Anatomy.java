package dev.perseid.sandbox;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The parts of a module, read with every rule of profile 1 that can be checked without types: what
/// it may import, what it must export, sizes, the instructions, and that no index points outside
/// (so that nothing which [Meter] adds can be addressed). Types of operands are the engine's
/// validator's part; see [Profile].
final class Anatomy {
  record Signature(List<Integer> params, List<Integer> results) {}

  record Import(String field, Signature signature) {}

  /// One function body: locals at `[locals, code)`, instructions at `[code, end)`.
  record Body(
      Signature signature, int localGroups, int locals, int code, int end, int localCount) {}

  final byte[] bytes;
  final List<Signature> types = new ArrayList<>();
  final List<Import> imports = new ArrayList<>();
  final List<Integer> functionTypes = new ArrayList<>();
  final List<Body> bodies = new ArrayList<>();
  int initialPages;
  int maxPages = 65_536;
  int globals;
  int stepFunction = -1;
  boolean hasTable;
  private boolean hasMemory;
  private boolean exportsMemory;

  /// Where a section's body stands.
  record Range(int start, int end) {}

  /// Section bodies by section id; null where there is none.
  final @Nullable Range[] sections = new Range[13];

  private static final Set<String> HOST_VOID = Set.of("log", "progress");

  private Anatomy(byte[] bytes) {
    this.bytes = bytes;
  }

  static Anatomy read(byte[] wasm) throws Refused {
    Anatomy a = new Anatomy(wasm);
    a.readAll();
    return a;
  }

  int functions() {
    return imports.size() + functionTypes.size();
  }

  Signature signatureOf(int function) {
    return function < imports.size()
        ? imports.get(function).signature()
        : types.get(functionTypes.get(function - imports.size()));
  }

  private void readAll() throws Refused {
    if (bytes.length > Limits.MODULE_BYTES) {
      throw new Refused(
          "the module has " + bytes.length + " bytes, over the limit of " + Limits.MODULE_BYTES);
    }
    byte[] magic = {0, 'a', 's', 'm', 1, 0, 0, 0};
    for (int i = 0; i < magic.length; i++) {
      if (i >= bytes.length || bytes[i] != magic[i]) {
        throw new Refused("this is not a WebAssembly 1 core module (its first 8 bytes say so)");
      }
    }
    Cursor c = new Cursor(bytes, 8, bytes.length);
    int last = 0;
    while (c.more()) {
      int id = c.u8();
      int size = c.count(c.end - c.at, "size of section " + id);
      Cursor body = new Cursor(bytes, c.at, c.at + size);
      c.skip(size);
      if (id == 0) {
        body.name();
        continue;
      }
      int rank = rank(id);
      if (rank <= last) {
        throw new Refused("section " + id + " stands twice or in the wrong place");
      }
      last = rank;
      sections[id] = new Range(body.at, body.end);
      readSection(id, body);
      if (body.more()) {
        throw new Refused("section " + id + " has bytes after its end, at byte " + body.at);
      }
    }
    if (bodies.size() != functionTypes.size()) {
      throw new Refused(
          "there are " + functionTypes.size() + " functions and " + bodies.size() + " bodies");
    }
    if (!hasMemory || !exportsMemory) {
      throw new Refused("a portable task must define a memory and export it as \"memory\"");
    }
    if (stepFunction < 0) {
      throw new Refused(
          "a portable task must export a function \"step\" without parameters that gives an i32");
    }
  }

  private static int rank(int id) throws Refused {
    return switch (id) {
      case 1, 2, 3, 4, 5, 6, 7, 8, 9 -> id;
      case 12 -> 10; // the data count stands before the code
      case 10 -> 11;
      case 11 -> 12;
      default -> throw new Refused("section " + id + " is not in profile 1");
    };
  }

  private int dataCount = -1;

  private void readSection(int id, Cursor c) throws Refused {
    switch (id) {
      case 1 -> readTypes(c);
      case 2 -> readImports(c);
      case 3 -> readFunctions(c);
      case 4 -> readTable(c);
      case 5 -> readMemory(c);
      case 6 -> readGlobals(c);
      case 7 -> readExports(c);
      case 8 -> throw new Refused("a start function is not in profile 1: do the work in \"step\"");
      case 9 -> readElements(c);
      case 10 -> readCode(c);
      case 11 -> readData(c);
      case 12 -> dataCount = c.count(Limits.SEGMENTS, "data count");
      default -> throw new Refused("section " + id + " is not in profile 1");
    }
  }

  private static int numberType(Cursor c) throws Refused {
    int type = c.u8();
    if (!Opcode.isNumber(type)) {
      throw new Refused(
          "value type 0x"
              + Integer.toHexString(type)
              + " at byte "
              + (c.at - 1)
              + " is not in profile 1 (only i32, i64, f32, f64)");
    }
    return type;
  }

  private void readTypes(Cursor c) throws Refused {
    int n = c.count(Limits.TYPES, "number of types");
    for (int k = 0; k < n; k++) {
      if (c.u8() != 0x60) {
        throw new Refused("type " + k + " is not a function type");
      }
      List<Integer> params = numberTypes(c, Limits.PARAMS, "parameters of type " + k);
      List<Integer> results = numberTypes(c, 1, "results of type " + k);
      types.add(new Signature(params, results));
    }
  }

  private static List<Integer> numberTypes(Cursor c, int max, String what) throws Refused {
    int n = c.count(max, what);
    List<Integer> out = new ArrayList<>(n);
    for (int k = 0; k < n; k++) {
      out.add(numberType(c));
    }
    return List.copyOf(out);
  }

  private void readImports(Cursor c) throws Refused {
    int n = c.count(Limits.IMPORTS, "number of imports");
    for (int k = 0; k < n; k++) {
      String module = c.name();
      String field = c.name();
      int kind = c.u8();
      Signature allowed = module.equals("perseid") ? hostSignature(field) : null;
      if (kind != 0 || allowed == null) {
        throw new Refused(
            "import \""
                + module
                + "."
                + field
                + "\" is not allowed; a portable task may import only the functions args_size,"
                + " args_read, input_count, input_size, input_read, output_write, log and progress of \"perseid\"");
      }
      Signature actual = types.get(c.index(types.size(), "type"));
      if (!actual.equals(allowed)) {
        throw new Refused(
            "import \"perseid."
                + field
                + "\" has the type "
                + show(actual)
                + ", it must be "
                + show(allowed));
      }
      imports.add(new Import(field, actual));
    }
  }

  /// The type that a host function must be imported with; null when there is none of that name.
  private static @Nullable Signature hostSignature(String field) {
    int i = Opcode.I32;
    int l = Opcode.I64;
    List<Integer> params =
        switch (field) {
          case "args_size", "input_count" -> List.of();
          case "args_read", "output_write" -> List.of(i, i, i);
          case "input_size", "progress" -> List.of(i);
          case "input_read" -> List.of(i, l, i, i);
          case "log" -> List.of(i, i);
          default -> null;
        };
    if (params == null) {
      return null;
    }
    List<Integer> results =
        HOST_VOID.contains(field) ? List.of() : List.of(field.equals("input_size") ? l : i);
    return new Signature(params, results);
  }

  private static String show(Signature s) {
    return show(s.params()) + " -> " + show(s.results());
  }

  private static String show(List<Integer> list) {
    StringBuilder b = new StringBuilder("(");
    for (int type : list) {
      b.append(b.length() > 1 ? ", " : "")
          .append(
              switch (type) {
                case Opcode.I32 -> "i32";
                case Opcode.I64 -> "i64";
                case Opcode.F32 -> "f32";
                default -> "f64";
              });
    }
    return b.append(')').toString();
  }

  private void readFunctions(Cursor c) throws Refused {
    int n = c.count(Limits.FUNCTIONS, "number of functions");
    for (int k = 0; k < n; k++) {
      functionTypes.add(c.index(types.size(), "type"));
    }
  }

  private void readTable(Cursor c) throws Refused {
    if (c.count(1, "number of tables") == 0) {
      return;
    }
    if (c.u8() != 0x70) {
      throw new Refused("only a table of functions is in profile 1");
    }
    int flags = c.u8();
    if (flags > 1) {
      throw new Refused("a shared or 64-bit table is not in profile 1");
    }
    int min = c.count(Limits.TABLE_ENTRIES, "entries of the table");
    if (flags == 1 && c.u32() < min) {
      throw new Refused("the table's maximum is below its minimum");
    }
    hasTable = true;
  }

  private void readMemory(Cursor c) throws Refused {
    if (c.count(1, "number of memories") == 0) {
      return;
    }
    int flags = c.u8();
    if (flags > 1) {
      throw new Refused("a shared or 64-bit memory is not in profile 1");
    }
    initialPages = c.count(Limits.MEMORY_PAGES, "initial memory pages");
    if (flags == 1) {
      maxPages = c.count(65_536, "maximum memory pages");
      if (maxPages < initialPages) {
        throw new Refused("the memory's maximum is below its minimum");
      }
    }
    hasMemory = true;
  }

  private void readGlobals(Cursor c) throws Refused {
    globals = c.count(Limits.GLOBALS, "number of globals");
    for (int k = 0; k < globals; k++) {
      int type = numberType(c);
      if (c.u8() > 1) {
        throw new Refused("global " + k + " is neither mutable nor constant");
      }
      constant(c, type, "global " + k);
    }
  }

  /// A constant expression: one constant of that type, then `end`.
  private static void constant(Cursor c, int type, String where) throws Refused {
    int want =
        switch (type) {
          case Opcode.I32 -> Opcode.I32_CONST;
          case Opcode.I64 -> Opcode.I64_CONST;
          case Opcode.F32 -> Opcode.F32_CONST;
          default -> Opcode.F64_CONST;
        };
    if (c.u8() != want) {
      throw new Refused("the initial value of " + where + " must be one constant of its type");
    }
    switch (want) {
      case Opcode.I32_CONST -> c.signed(32);
      case Opcode.I64_CONST -> c.signed(64);
      case Opcode.F32_CONST -> c.skip(4);
      default -> c.skip(8);
    }
    if (c.u8() != Opcode.END) {
      throw new Refused("the initial value of " + where + " must be one constant and nothing more");
    }
  }

  private void readExports(Cursor c) throws Refused {
    int n = c.count(Limits.EXPORTS, "number of exports");
    Set<String> names = new HashSet<>();
    for (int k = 0; k < n; k++) {
      String name = c.name();
      int kind = c.u8();
      int index =
          switch (kind) {
            case 0 -> c.index(functions(), "function");
            case 1 -> c.index(hasTable ? 1 : 0, "table");
            case 2 -> c.index(hasMemory ? 1 : 0, "memory");
            case 3 -> c.index(globals, "global");
            default ->
                throw new Refused("export \"" + name + "\" is of a kind that is not in profile 1");
          };
      if (!names.add(name)) {
        throw new Refused("the name \"" + name + "\" is exported twice");
      }
      if (name.equals("memory")) {
        exportsMemory = kind == 2;
      } else if (name.equals("step") && kind == 0) {
        if (!signatureOf(index).equals(new Signature(List.of(), List.of(Opcode.I32)))
            || index < imports.size()) {
          throw new Refused(
              "\"step\" has the type "
                  + show(signatureOf(index))
                  + ", it must be the module's own function () -> (i32)");
        }
        stepFunction = index;
      }
    }
  }

  private void readElements(Cursor c) throws Refused {
    int n = c.count(Limits.SEGMENTS, "number of element segments");
    for (int k = 0; k < n; k++) {
      if (c.u32() != 0 || !hasTable) {
        throw new Refused(
            "element segment "
                + k
                + ": only active segments of functions for table 0 are in profile 1");
      }
      constant(c, Opcode.I32, "the offset of element segment " + k);
      int entries = c.count(Limits.TABLE_ENTRIES, "entries of element segment " + k);
      for (int e = 0; e < entries; e++) {
        c.index(functions(), "function");
      }
    }
  }

  private void readData(Cursor c) throws Refused {
    int n = c.count(Limits.SEGMENTS, "number of data segments");
    if (dataCount >= 0 && dataCount != n) {
      throw new Refused("the data count says " + dataCount + ", there are " + n + " data segments");
    }
    for (int k = 0; k < n; k++) {
      if (c.u32() != 0 || !hasMemory) {
        throw new Refused(
            "data segment " + k + ": only active segments for memory 0 are in profile 1");
      }
      constant(c, Opcode.I32, "the offset of data segment " + k);
      c.skip(c.count(c.end - c.at, "length of data segment " + k));
    }
  }

  private void readCode(Cursor c) throws Refused {
    int n = c.count(Limits.FUNCTIONS, "number of function bodies");
    if (n != functionTypes.size()) {
      throw new Refused("there are " + functionTypes.size() + " functions and " + n + " bodies");
    }
    for (int k = 0; k < n; k++) {
      int size = c.count(Limits.FUNCTION_BYTES, "bytes of function " + (imports.size() + k));
      int start = c.at;
      c.skip(size);
      Signature signature = types.get(functionTypes.get(k));
      Cursor body = new Cursor(bytes, start, start + size);
      int groups = body.count(Limits.LOCALS, "groups of locals");
      int groupsAt = body.at;
      long locals = signature.params().size();
      for (int g = 0; g < groups; g++) {
        locals += body.u32();
        numberType(body);
      }
      if (locals > Limits.LOCALS) {
        throw new Refused(
            "function "
                + (imports.size() + k)
                + " has "
                + locals
                + " locals, over the limit of "
                + Limits.LOCALS);
      }
      bodies.add(new Body(signature, groups, groupsAt, body.at, start + size, (int) locals));
    }
  }
}
