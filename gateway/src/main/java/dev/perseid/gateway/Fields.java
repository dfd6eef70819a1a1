package dev.perseid.gateway;

/// Where some top-level fields of a JSON object stand in its bytes, found in one walk without
/// making a tree. What it accepts is looser than JSON; what it finds in valid JSON is right.
final class Fields {
  private final byte[] json;
  private int at;

  /// Where values begin and end; -1 where a field is missing.
  int modelFrom = -1;

  int modelTo = -1;
  int usageFrom = -1;
  int usageTo = -1;
  int choicesFrom = -1;
  int choicesTo = -1;
  int idFrom = -1;
  int idTo = -1;
  int createdFrom = -1;
  int createdTo = -1;
  int errorFrom = -1;

  /// Where the object's brackets stand.
  int open;

  int close;

  private Fields(byte[] json) {
    this.json = json;
  }

  /// @throws Problem if this is no JSON object
  static Fields of(byte[] json) throws Problem {
    Fields fields = new Fields(json);
    try {
      fields.walk();
    } catch (ArrayIndexOutOfBoundsException e) {
      throw rubbish();
    }
    return fields;
  }

  private static Problem rubbish() {
    return new Problem(
        Problem.Kind.BROKEN,
        "The provider sent something that is no JSON object.",
        "provider_failed");
  }

  private void walk() throws Problem {
    space();
    open = at;
    expect('{');
    space();
    if (json[at] != '}') {
      while (true) {
        int nameFrom = at;
        expect('"');
        text();
        int nameTo = at;
        space();
        expect(':');
        space();
        int from = at;
        value();
        found(nameFrom + 1, nameTo - 1, from, at);
        space();
        if (json[at] == '}') {
          break;
        }
        expect(',');
        space();
      }
    }
    close = at++;
    while (at < json.length) {
      if (json[at++] > ' ') {
        throw rubbish();
      }
    }
  }

  private void found(int nameFrom, int nameTo, int from, int to) {
    if (is(nameFrom, nameTo, "model")) {
      modelFrom = from;
      modelTo = to;
    } else if (is(nameFrom, nameTo, "usage")) {
      usageFrom = from;
      usageTo = to;
    } else if (is(nameFrom, nameTo, "choices")) {
      choicesFrom = from;
      choicesTo = to;
    } else if (is(nameFrom, nameTo, "id")) {
      idFrom = from;
      idTo = to;
    } else if (is(nameFrom, nameTo, "created")) {
      createdFrom = from;
      createdTo = to;
    } else if (is(nameFrom, nameTo, "error") && json[from] != 'n') {
      errorFrom = from;
    }
  }

  private boolean is(int from, int to, String name) {
    if (to - from != name.length()) {
      return false;
    }
    for (int i = 0; i < name.length(); i++) {
      if (json[from + i] != name.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  private void expect(char c) throws Problem {
    if (json[at++] != c) {
      throw rubbish();
    }
  }

  private void space() {
    while (json[at] <= ' ' && json[at] >= 0) {
      at++;
    }
  }

  /// Behind the opening quote; ends behind the closing one.
  private void text() {
    for (byte b = json[at++]; b != '"'; b = json[at++]) {
      if (b == '\\') {
        at++;
      }
    }
  }

  private void value() throws Problem {
    byte first = json[at];
    if (first == '"') {
      at++;
      text();
    } else if (first == '{' || first == '[') {
      int depth = 0;
      do {
        byte b = json[at++];
        if (b == '"') {
          text();
        } else if (b == '{' || b == '[') {
          depth++;
        } else if (b == '}' || b == ']') {
          depth--;
        }
      } while (depth > 0);
    } else {
      int from = at;
      while (json[at] > ' ' && json[at] != ',' && json[at] != '}') {
        at++;
      }
      if (at == from) {
        throw rubbish();
      }
    }
  }

  /// Whether `usage` is an object.
  boolean hasUsage() {
    return usageFrom >= 0 && json[usageFrom] == '{';
  }

  /// Whether there are choices, and at least one.
  boolean hasChoices() {
    if (choicesFrom < 0 || json[choicesFrom] != '[') {
      return false;
    }
    int i = choicesFrom + 1;
    while (json[i] <= ' ' && json[i] >= 0) {
      i++;
    }
    return json[i] != ']';
  }
}
