package dev.perseid.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/// Text with `${...}` in it: integer arithmetic (`+ - * / %`, parentheses) over numbers and `i`,
/// the number of the copy. `$${` stands for a plain `${`.
///
/// Grammar: `sum = product (('+'|'-') product)*`, `product = unary (('*'|'/'|'%') unary)*`, `unary
/// = '-' unary | atom`, `atom = digits | 'i' | '(' sum ')'`. Division truncates.
final class Template {
  private static final String EXAMPLE = "write for example ${i} or ${i*20+19}";

  /// Nesting that no honest expression has.
  private static final int MAX_DEPTH = 64;

  private final Placed<String> source;
  private final List<Part> parts = new ArrayList<>();

  private Template(Placed<String> source) {
    this.source = source;
  }

  /// Splits the text into what stands still and what is computed.
  static Template parse(Placed<String> source) throws BadInput {
    Template made = new Template(source);
    String text = source.value();
    StringBuilder still = new StringBuilder();
    int at = 0;
    while (at < text.length()) {
      if (text.startsWith("$${", at)) {
        still.append("${");
        at += 3;
      } else if (text.startsWith("${", at)) {
        int end = text.indexOf('}', at);
        if (end < 0) {
          throw source.wrong("'${' without '}'", EXAMPLE);
        }
        made.parts.add(new Part.Still(still.toString()));
        still.setLength(0);
        made.parts.add(new Part.Computed(text.substring(at + 2, end)));
        at = end + 1;
      } else {
        still.append(text.charAt(at++));
      }
    }
    made.parts.add(new Part.Still(still.toString()));
    return made;
  }

  /// The text as it stands in the file.
  Placed<String> source() {
    return source;
  }

  /// Whether the text is the same for every copy.
  boolean constant() {
    return parts.size() == 1;
  }

  /// The text for copy `i`; empty where the task has no copies.
  String text(OptionalLong i) throws BadInput {
    StringBuilder out = new StringBuilder();
    for (Part part : parts) {
      switch (part) {
        case Part.Still still -> out.append(still.text);
        case Part.Computed computed -> out.append(new Reckoning(computed.expression, i).result());
      }
    }
    return out.toString();
  }

  private sealed interface Part {
    record Still(String text) implements Part {}

    record Computed(String expression) implements Part {}
  }

  /// One evaluation of one expression, by recursive descent.
  private final class Reckoning {
    private final String text;
    private final OptionalLong i;
    private int at;
    private int depth;

    Reckoning(String text, OptionalLong i) {
      this.text = text;
      this.i = i;
    }

    long result() throws BadInput {
      try {
        long value = sum();
        skipBlanks();
        if (at < text.length()) {
          throw wrong("'" + text.charAt(at) + "' is not expected there");
        }
        return value;
      } catch (ArithmeticException e) {
        throw wrong(e.getMessage() == null ? "it cannot be computed" : e.getMessage());
      }
    }

    private long sum() throws BadInput {
      if (++depth > MAX_DEPTH) {
        throw wrong("it is nested too deeply");
      }
      long value = product();
      while (true) {
        if (take('+')) {
          value = Math.addExact(value, product());
        } else if (take('-')) {
          value = Math.subtractExact(value, product());
        } else {
          depth--;
          return value;
        }
      }
    }

    private long product() throws BadInput {
      long value = unary();
      while (true) {
        if (take('*')) {
          value = Math.multiplyExact(value, unary());
        } else if (take('/')) {
          value = Math.divideExact(value, unary());
        } else if (take('%')) {
          value %= unary();
        } else {
          return value;
        }
      }
    }

    private long unary() throws BadInput {
      boolean negative = false;
      while (take('-')) {
        negative = !negative;
      }
      long value = atom();
      return negative ? Math.negateExact(value) : value;
    }

    private long atom() throws BadInput {
      if (take('(')) {
        long value = sum();
        if (!take(')')) {
          throw wrong("a ')' is missing");
        }
        return value;
      }
      if (take('i')) {
        return i.orElseThrow(() ->
            source.wrong(
                "'i' is known only in a task with 'count'", "add count, or write a number"));
      }
      int start = at;
      while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
        at++;
      }
      if (start == at) {
        throw wrong(
            at < text.length()
                ? "'" + text.charAt(at) + "' is not expected there"
                : "something is missing at its end");
      }
      try {
        return Long.parseLong(text.substring(start, at));
      } catch (NumberFormatException e) {
        throw wrong("the number " + text.substring(start, at) + " is too large");
      }
    }

    private boolean take(char wanted) {
      skipBlanks();
      if (at < text.length() && text.charAt(at) == wanted) {
        at++;
        return true;
      }
      return false;
    }

    private void skipBlanks() {
      while (at < text.length() && text.charAt(at) == ' ') {
        at++;
      }
    }

    private BadInput wrong(String why) {
      return source.wrong("'${" + text + "}' cannot be computed: " + why, EXAMPLE);
    }
  }
}
