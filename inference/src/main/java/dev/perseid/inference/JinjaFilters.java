package dev.perseid.inference;

import static dev.perseid.inference.Jinja.arg;
import static dev.perseid.inference.Jinja.list;
import static dev.perseid.inference.Jinja.member;
import static dev.perseid.inference.Jinja.str;
import static dev.perseid.inference.Jinja.truth;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Filters, tests and methods of [Jinja].
@SuppressWarnings("StatementSwitchToExpressionSwitch") // as many lines again for nothing
final class JinjaFilters {
  private JinjaFilters() {}

  static @Nullable Object apply(
      String name,
      @Nullable Object v,
      List<@Nullable Object> args,
      Map<String, @Nullable Object> named)
      throws TemplateException {
    switch (name) {
      case "trim":
        return strip(str(v), args, true, true);
      case "upper", "lower", "title", "capitalize", "replace":
        return method(name, str(v), args);
      case "items":
        return method(name, v, args);
      case "length", "count":
        return v instanceof String s ? (long) s.length() : (long) size(v);
      case "tojson":
        Object indent = named.getOrDefault("indent", arg(args, 0));
        return json(v, indent instanceof Long n ? Math.clamp(n, 0, 16) : -1);
      case "join":
        List<String> parts = new ArrayList<>();
        for (Object item : list(v)) {
          parts.add(str(item));
        }
        return String.join(args.isEmpty() ? "" : str(args.get(0)), parts);
      case "first":
        return list(v).isEmpty() ? Jinja.UNDEFINED : list(v).getFirst();
      case "last":
        return list(v).isEmpty() ? Jinja.UNDEFINED : list(v).getLast();
      case "default", "d":
        boolean empty =
            Jinja.UNDEFINED.equals(v)
                || (truth(named.getOrDefault("boolean", arg(args, 1))) && !truth(v));
        return empty ? (args.isEmpty() ? "" : args.get(0)) : v;
      case "string":
        return str(v);
      case "int":
        return toLong(v);
      case "float":
        return v instanceof Number n ? n.doubleValue() : (double) toLong(v);
      case "abs":
        return v instanceof Long n ? (Object) Math.abs(n) : (Object) Math.abs(Jinja.number(v));
      case "list":
        return new ArrayList<>(list(v));
      case "safe", "escape", "e":
        return v;
      case "reverse":
        return v instanceof String s
            ? new StringBuilder(s).reverse().toString()
            : new ArrayList<>(list(v).reversed());
      case "sort":
        List<@Nullable Object> sorted = new ArrayList<>(list(v));
        sorted.sort(Jinja.ORDER);
        return sorted;
      case "unique":
        return new ArrayList<>(new LinkedHashSet<>(list(v)));
      case "dictsort":
        List<@Nullable Object> pairs = new ArrayList<>(list(method("items", v, List.of())));
        pairs.sort((a, b) -> str(((List<?>) a).get(0)).compareTo(str(((List<?>) b).get(0))));
        return pairs;
      case "indent":
        long width = args.isEmpty() ? 4 : Jinja.whole(args.get(0));
        String blanks = " ".repeat(Math.clamp(width, 0, 64));
        boolean first = truth(named.getOrDefault("first", arg(args, 1)));
        return (first ? blanks : "") + str(v).replace("\n", "\n" + blanks);
      case "map":
        return mapped(v, args, named);
      case "selectattr", "rejectattr", "select", "reject":
        return selected(name, v, args);
      default:
        throw new TemplateException("the filter '" + name + "' is not known");
    }
  }

  private static int size(@Nullable Object v) throws TemplateException {
    return list(v).size();
  }

  private static long toLong(@Nullable Object v) {
    if (v instanceof Number n) {
      return n.longValue();
    }
    try {
      return Long.parseLong(str(v).strip());
    } catch (NumberFormatException e) {
      return 0;
    }
  }

  private static Object mapped(
      @Nullable Object v, List<@Nullable Object> args, Map<String, @Nullable Object> named)
      throws TemplateException {
    List<@Nullable Object> out = new ArrayList<>();
    Object attribute = named.get("attribute");
    for (Object item : list(v)) {
      out.add(
          attribute != null
              ? member(item, attribute)
              : apply(str(arg(args, 0)), item, args.subList(1, args.size()), Map.of()));
    }
    return out;
  }

  private static Object selected(String name, @Nullable Object v, List<@Nullable Object> args)
      throws TemplateException {
    boolean byField = name.endsWith("attr");
    boolean keep = name.startsWith("select");
    int from = byField ? 1 : 0;
    List<@Nullable Object> out = new ArrayList<>();
    for (Object item : list(v)) {
      Object value = byField ? member(item, arg(args, 0)) : item;
      boolean yes =
          args.size() > from ? test(str(args.get(from)), value, arg(args, from + 1)) : truth(value);
      if (yes == keep) {
        out.add(item);
      }
    }
    return out;
  }

  static boolean test(String name, @Nullable Object v, @Nullable Object with)
      throws TemplateException {
    return switch (name) {
      case "defined" -> !Jinja.UNDEFINED.equals(v);
      case "undefined" -> Jinja.UNDEFINED.equals(v);
      case "none" -> v == null;
      case "string" -> v instanceof String;
      case "boolean" -> v instanceof Boolean;
      case "number" -> v instanceof Number;
      case "integer" -> v instanceof Long;
      case "float" -> v instanceof Double;
      case "mapping" -> v instanceof Map<?, ?>;
      case "sequence", "iterable" ->
          v instanceof List<?> || v instanceof String || v instanceof Map<?, ?>;
      case "true" -> Boolean.TRUE.equals(v);
      case "false" -> Boolean.FALSE.equals(v);
      case "odd" -> Jinja.whole(v) % 2 != 0;
      case "even" -> Jinja.whole(v) % 2 == 0;
      case "equalto", "eq", "==" -> v == null ? with == null : v.equals(with);
      case "ne", "!=" -> v == null ? with != null : !v.equals(with);
      case "in" -> with instanceof String s ? s.contains(str(v)) : list(with).contains(v);
      default -> throw new TemplateException("the test '" + name + "' is not known");
    };
  }

  private static String strip(
      String text, List<@Nullable Object> args, boolean left, boolean right) {
    String signs = args.isEmpty() || args.get(0) == null ? " \t\n\r\f\u000b" : str(args.get(0));
    int from = 0;
    int to = text.length();
    while (left && from < to && signs.indexOf(text.charAt(from)) >= 0) {
      from++;
    }
    while (right && to > from && signs.indexOf(text.charAt(to - 1)) >= 0) {
      to--;
    }
    return text.substring(from, to);
  }

  static @Nullable Object method(String name, @Nullable Object v, List<@Nullable Object> args)
      throws TemplateException {
    if (v instanceof String s) {
      switch (name) {
        case "strip":
          return strip(s, args, true, true);
        case "lstrip":
          return strip(s, args, true, false);
        case "rstrip":
          return strip(s, args, false, true);
        case "upper":
          return s.toUpperCase(Locale.ROOT);
        case "lower":
          return s.toLowerCase(Locale.ROOT);
        case "title", "capitalize":
          StringBuilder out = new StringBuilder(s.toLowerCase(Locale.ROOT));
          boolean start = true;
          for (int i = 0; i < out.length(); i++) {
            if (start) {
              out.setCharAt(i, Character.toUpperCase(out.charAt(i)));
            }
            start = name.equals("title") && !Character.isLetter(out.charAt(i));
          }
          return out.toString();
        case "startswith":
          return starts(s, arg(args, 0), true);
        case "endswith":
          return starts(s, arg(args, 0), false);
        case "replace":
          String to = str(arg(args, 1));
          String replaced = s.replace(str(arg(args, 0)), to);
          if (replaced.length() > EngineLimits.MOST_TEMPLATE_CHARS) {
            throw new TemplateException("the template writes too much");
          }
          return replaced;
        case "find":
          return (long) s.indexOf(str(arg(args, 0)));
        case "split":
          return split(s, args);
        default:
          break;
      }
    }
    if (v instanceof Map<?, ?> m) {
      switch (name) {
        case "get":
          Object key = arg(args, 0);
          return m.containsKey(key) ? m.get(key) : args.size() > 1 ? args.get(1) : null;
        case "keys":
          return new ArrayList<>(m.keySet());
        case "values":
          return new ArrayList<>(m.values());
        case "items":
          List<@Nullable Object> pairs = new ArrayList<>();
          for (Map.Entry<?, ?> e : m.entrySet()) {
            List<@Nullable Object> pair = new ArrayList<>();
            pair.add(e.getKey());
            pair.add(e.getValue());
            pairs.add(pair);
          }
          return pairs;
        default:
          break;
      }
    }
    if (v instanceof List<?> && name.equals("append")) {
      @SuppressWarnings("unchecked")
      List<@Nullable Object> all = (List<@Nullable Object>) v;
      all.add(arg(args, 0));
      return null;
    }
    throw new TemplateException("the method '" + name + "' is not known");
  }

  private static boolean starts(String s, @Nullable Object with, boolean start) {
    for (Object one : with instanceof List<?> l ? l : List.of(str(with))) {
      if (start ? s.startsWith(str(one)) : s.endsWith(str(one))) {
        return true;
      }
    }
    return false;
  }

  private static List<@Nullable Object> split(String s, List<@Nullable Object> args)
      throws TemplateException {
    List<@Nullable Object> out = new ArrayList<>();
    if (args.isEmpty() || args.get(0) == null) {
      for (String part : s.strip().split("\\s+", -1)) {
        if (!part.isEmpty()) {
          out.add(part);
        }
      }
      return out;
    }
    String by = str(args.get(0));
    if (by.isEmpty()) {
      throw new TemplateException("split() by nothing");
    }
    long most = args.size() > 1 ? Jinja.whole(args.get(1)) : -1;
    int from = 0;
    for (int i = s.indexOf(by);
        i >= 0 && (most < 0 || out.size() < most);
        i = s.indexOf(by, from)) {
      out.add(s.substring(from, i));
      from = i + by.length();
    }
    out.add(s.substring(from));
    return out;
  }

  /// JSON the way Python writes it, which is what models were trained on.
  ///
  /// @param indent blanks a level, or -1 for one line
  static String json(@Nullable Object v, int indent) {
    StringBuilder out = new StringBuilder();
    json(v, indent, 0, out);
    return out.toString();
  }

  private static void json(@Nullable Object v, int indent, int level, StringBuilder out) {
    switch (v) {
      case null -> out.append("null");
      case Boolean b -> out.append(b);
      case Number n -> out.append(n);
      case List<?> l -> {
        out.append('[');
        boolean first = true;
        for (Object item : l) {
          between(first, indent, level + 1, out);
          json(item, indent, level + 1, out);
          first = false;
        }
        end(l.isEmpty(), indent, level, out);
        out.append(']');
      }
      case Map<?, ?> m -> {
        out.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> e : new LinkedHashMap<Object, @Nullable Object>(m).entrySet()) {
          between(first, indent, level + 1, out);
          quote(str(e.getKey()), out);
          out.append(": ");
          json(e.getValue(), indent, level + 1, out);
          first = false;
        }
        end(m.isEmpty(), indent, level, out);
        out.append('}');
      }
      default -> quote(v.toString(), out);
    }
  }

  private static void between(boolean first, int indent, int level, StringBuilder out) {
    if (!first) {
      out.append(indent < 0 ? ", " : ",");
    }
    if (indent >= 0) {
      out.append('\n').append(" ".repeat(Math.min(indent * level, 4096)));
    }
  }

  private static void end(boolean empty, int indent, int level, StringBuilder out) {
    if (!empty && indent >= 0) {
      out.append('\n').append(" ".repeat(Math.min(indent * level, 4096)));
    }
  }

  private static void quote(String s, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < 32) {
            out.append(String.format("\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
