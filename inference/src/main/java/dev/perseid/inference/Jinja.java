package dev.perseid.inference;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A template in the part of Jinja that chat templates use, with `trim_blocks` and `lstrip_blocks`
/// on, as those expect. Values are `null`, [#UNDEFINED], Boolean, Long, Double, String, List, Map.
/// Immutable after parsing; safe for any thread. Output, steps and depth are limited, since a
/// template is as little trusted as the file that it stands in.
final class Jinja {
  /// What a name stands for that nothing was assigned to.
  static final Object UNDEFINED =
      new Object() {
        @Override
        public String toString() {
          return "";
        }
      };

  private interface Expr {
    @Nullable Object eval(Scope scope) throws TemplateException;
  }

  private interface Node {
    void run(Scope scope, StringBuilder out) throws TemplateException;
  }

  private interface Call {
    @Nullable Object call(List<@Nullable Object> args, Map<String, @Nullable Object> named)
        throws TemplateException;
  }

  private static final class Scope {
    final Map<String, @Nullable Object> names = new HashMap<>();
    final @Nullable Scope outer;
    final Budget budget;

    Scope(@Nullable Scope outer, Budget budget) {
      this.outer = outer;
      this.budget = budget;
    }

    @Nullable Object get(String name) {
      for (Scope s = this; s != null; s = s.outer) {
        if (s.names.containsKey(name)) {
          return s.names.get(name);
        }
      }
      return UNDEFINED;
    }
  }

  private static final class Budget {
    private int steps;

    void step() throws TemplateException {
      if (++steps > EngineLimits.MOST_TEMPLATE_STEPS) {
        throw new TemplateException("the template takes too many steps");
      }
    }

    String text(String text) throws TemplateException {
      if (text.length() > EngineLimits.MOST_TEMPLATE_CHARS) {
        throw new TemplateException("the template writes too much");
      }
      steps += text.length() >> 6;
      return text;
    }
  }

  private static final class Jump extends TemplateException {
    private static final long serialVersionUID = 1L;
    final boolean next;

    Jump(boolean next) {
      super(next ? "continue outside of a loop" : "break outside of a loop");
      this.next = next;
    }
  }

  private enum Kind {
    TEXT,
    OPEN_EXPR,
    OPEN_BLOCK,
    CLOSE,
    NAME,
    STRING,
    NUMBER,
    SIGN,
    END
  }

  private record Token(Kind kind, String text) {}

  private final List<Token> tokens;
  private int at;
  private int depth;
  private final List<Node> nodes;

  Jinja(String source) throws TemplateException {
    tokens = lex(source);
    nodes = block();
    if (peek().kind != Kind.END) {
      throw new TemplateException("'" + peek().text + "' stands where no block is open");
    }
  }

  /// Writes the template with these names.
  String render(Map<String, @Nullable Object> names) throws TemplateException {
    Scope scope = new Scope(null, new Budget());
    scope.names.put(
        "range",
        (Call)
            (List<@Nullable Object> args, Map<String, @Nullable Object> named) -> {
              long from = args.size() > 1 ? whole(args.get(0)) : 0;
              long to = whole(args.size() > 1 ? args.get(1) : arg(args, 0));
              long by = args.size() > 2 ? whole(args.get(2)) : 1;
              List<@Nullable Object> all = new ArrayList<>();
              if (by == 0) {
                throw new TemplateException("range() goes by 0");
              }
              for (long i = from; by > 0 ? i < to : i > to; i += by) {
                scope.budget.step();
                all.add(i);
              }
              return all;
            });
    Call map = (args, named) -> new LinkedHashMap<>(named);
    scope.names.put("namespace", map);
    scope.names.put("dict", map);
    scope.names.put(
        "raise_exception",
        (Call)
            (List<@Nullable Object> args, Map<String, @Nullable Object> named) -> {
              throw new TemplateException(str(arg(args, 0)));
            });
    scope.names.putAll(names);
    Scope inner = new Scope(scope, scope.budget);
    StringBuilder out = new StringBuilder();
    try {
      run(nodes, inner, out);
    } catch (StackOverflowError e) {
      throw new TemplateException("the template nests too deeply");
    } catch (ClassCastException | ArithmeticException e) {
      throw new TemplateException("the template computes with a value of the wrong type");
    }
    return out.toString();
  }

  private static void run(List<Node> nodes, Scope scope, StringBuilder out)
      throws TemplateException {
    for (Node node : nodes) {
      scope.budget.step();
      node.run(scope, out);
      if (out.length() > EngineLimits.MOST_TEMPLATE_CHARS) {
        throw new TemplateException("the template writes too much");
      }
    }
  }

  // --- reading signs

  private static List<Token> lex(String source) throws TemplateException {
    List<Token> out = new ArrayList<>();
    int i = 0;
    boolean strip = false;
    boolean dropLine = false;
    String s = source.endsWith("\n") ? source.substring(0, source.length() - 1) : source;
    while (i <= s.length()) {
      int open = i;
      while (true) {
        open = s.indexOf('{', open);
        if (open < 0 || (open + 1 < s.length() && "{%#".indexOf(s.charAt(open + 1)) >= 0)) {
          break;
        }
        open++;
      }
      String text = s.substring(i, open < 0 ? s.length() : open);
      if (strip) {
        text = text.stripLeading();
      } else if (dropLine && text.startsWith("\n")) {
        text = text.substring(1);
      }
      if (open < 0) {
        out.add(new Token(Kind.TEXT, text));
        break;
      }
      char kind = s.charAt(open + 1);
      int in = open + 2;
      boolean cut = in < s.length() && s.charAt(in) == '-';
      boolean keep = in < s.length() && s.charAt(in) == '+';
      if (cut) {
        text = text.stripTrailing();
      } else if (kind != '{' && !keep) {
        int line = text.lastIndexOf('\n');
        // lstrip_blocks: blanks alone between the line's start and the tag.
        if (text.substring(line + 1).isBlank() && (line >= 0 || i == 0 || dropLine)) {
          text = text.substring(0, line + 1);
        }
      }
      out.add(new Token(Kind.TEXT, text));
      if (cut || keep) {
        in++;
      }
      if (kind == '#') {
        int close = s.indexOf("#}", in);
        if (close < 0) {
          throw new TemplateException("a comment is not closed");
        }
        strip = close > in && s.charAt(close - 1) == '-';
        dropLine = true;
        i = close + 2;
        continue;
      }
      out.add(new Token(kind == '{' ? Kind.OPEN_EXPR : Kind.OPEN_BLOCK, "{" + kind));
      String end = kind == '{' ? "}}" : "%}";
      int braces = 0;
      while (true) {
        while (in < s.length() && Character.isWhitespace(s.charAt(in))) {
          in++;
        }
        if (in >= s.length()) {
          throw new TemplateException("a tag is not closed with " + end);
        }
        char c = s.charAt(in);
        if (braces == 0 && s.startsWith("-" + end, in)) {
          strip = true;
          in += 3;
          break;
        }
        if (braces == 0 && s.startsWith(end, in)) {
          strip = false;
          in += 2;
          break;
        }
        int start = in;
        if (c == '\'' || c == '"') {
          StringBuilder text2 = new StringBuilder();
          in++;
          while (in < s.length() && s.charAt(in) != c) {
            if (s.charAt(in) == '\\' && in + 1 < s.length()) {
              in++;
              char e = s.charAt(in);
              switch (e) {
                case 'n' -> text2.append('\n');
                case 't' -> text2.append('\t');
                case 'r' -> text2.append('\r');
                case '\\', '\'', '"' -> text2.append(e);
                default -> text2.append('\\').append(e);
              }
            } else {
              text2.append(s.charAt(in));
            }
            in++;
          }
          if (in >= s.length()) {
            throw new TemplateException("a text is not closed");
          }
          in++;
          out.add(new Token(Kind.STRING, text2.toString()));
        } else if (Character.isLetter(c) || c == '_') {
          while (in < s.length()
              && (Character.isLetterOrDigit(s.charAt(in)) || s.charAt(in) == '_')) {
            in++;
          }
          out.add(new Token(Kind.NAME, s.substring(start, in)));
        } else if (c >= '0' && c <= '9') {
          while (in < s.length()
              && (Character.isDigit(s.charAt(in))
                  || (s.charAt(in) == '.'
                      && in + 1 < s.length()
                      && Character.isDigit(s.charAt(in + 1))))) {
            in++;
          }
          out.add(new Token(Kind.NUMBER, s.substring(start, in)));
        } else {
          String two = in + 2 <= s.length() ? s.substring(in, in + 2) : "";
          boolean pair = List.of("==", "!=", "<=", ">=", "//", "**").contains(two);
          if (c == '{') {
            braces++;
          } else if (c == '}') {
            braces--;
          }
          out.add(new Token(Kind.SIGN, pair ? two : String.valueOf(c)));
          in += pair ? 2 : 1;
        }
      }
      out.add(new Token(Kind.CLOSE, end));
      dropLine = kind == '%';
      i = in;
    }
    out.add(new Token(Kind.END, "the end"));
    return out;
  }

  private Token peek() {
    return tokens.get(at);
  }

  private Token next() {
    Token token = tokens.get(at);
    if (token.kind != Kind.END) {
      at++;
    }
    return token;
  }

  private boolean is(String text) {
    Token t = peek();
    return (t.kind == Kind.SIGN || t.kind == Kind.NAME) && t.text.equals(text);
  }

  private boolean eat(String text) {
    if (is(text)) {
      at++;
      return true;
    }
    return false;
  }

  private void expect(String text) throws TemplateException {
    Token t = peek();
    if (t.kind == Kind.CLOSE && t.text.equals(text)) {
      at++;
      return;
    }
    if (!eat(text)) {
      throw new TemplateException("'" + text + "' is missing before '" + t.text + "'");
    }
  }

  private String name() throws TemplateException {
    Token t = next();
    if (t.kind != Kind.NAME) {
      throw new TemplateException("a name is missing before '" + t.text + "'");
    }
    return t.text;
  }

  // --- blocks

  private boolean tag(String... words) {
    if (peek().kind != Kind.OPEN_BLOCK) {
      return false;
    }
    Token word = tokens.get(at + 1);
    return word.kind == Kind.NAME && List.of(words).contains(word.text);
  }

  private void close(String word) throws TemplateException {
    if (!tag(word)) {
      throw new TemplateException("{% " + word + " %} is missing before '" + peek().text + "'");
    }
    at += 2;
    expect("%}");
  }

  private List<Node> block() throws TemplateException {
    deeper();
    List<Node> out = new ArrayList<>();
    while (true) {
      Token t = peek();
      if (t.kind == Kind.TEXT) {
        at++;
        if (!t.text.isEmpty()) {
          out.add((scope, to) -> to.append(t.text));
        }
      } else if (t.kind == Kind.OPEN_EXPR) {
        at++;
        Expr e = expr();
        expect("}}");
        out.add((scope, to) -> to.append(str(e.eval(scope))));
      } else if (t.kind == Kind.OPEN_BLOCK) {
        String word = tokens.get(at + 1).text;
        if (word.startsWith("end") || word.equals("else") || word.equals("elif")) {
          break;
        }
        at += 2;
        out.add(statement(word));
      } else {
        break;
      }
    }
    depth--;
    return out;
  }

  private void deeper() throws TemplateException {
    if (++depth > EngineLimits.MOST_TEMPLATE_DEPTH) {
      throw new TemplateException("the template nests too deeply");
    }
  }

  private Node statement(String word) throws TemplateException {
    return switch (word) {
      case "if" -> branch();
      case "for" -> loop();
      case "set" -> assignment();
      case "macro" -> macro();
      case "generation" -> {
        expect("%}");
        List<Node> body = block();
        close("endgeneration");
        yield (scope, out) -> run(body, scope, out);
      }
      case "break", "continue" -> {
        expect("%}");
        yield (scope, out) -> {
          throw new Jump(word.equals("continue"));
        };
      }
      default -> throw new TemplateException("{% " + word + " %} is not known");
    };
  }

  private Node branch() throws TemplateException {
    List<Expr> tests = new ArrayList<>();
    List<List<Node>> bodies = new ArrayList<>();
    tests.add(expr());
    expect("%}");
    bodies.add(block());
    List<Node> otherwise = List.of();
    while (true) {
      if (tag("elif")) {
        at += 2;
        tests.add(expr());
        expect("%}");
        bodies.add(block());
      } else if (tag("else")) {
        close("else");
        otherwise = block();
      } else {
        break;
      }
    }
    close("endif");
    List<Node> last = otherwise;
    return (scope, out) -> {
      for (int i = 0; i < tests.size(); i++) {
        if (truth(tests.get(i).eval(scope))) {
          run(bodies.get(i), scope, out);
          return;
        }
      }
      run(last, scope, out);
    };
  }

  private Node loop() throws TemplateException {
    List<String> names = new ArrayList<>();
    boolean open = eat("(");
    do {
      names.add(name());
    } while (eat(","));
    if (open) {
      expect(")");
    }
    expect("in");
    Expr over = or();
    Expr filter = eat("if") ? or() : null;
    expect("%}");
    List<Node> body = block();
    List<Node> otherwise = List.of();
    if (tag("else")) {
      close("else");
      otherwise = block();
    }
    close("endfor");
    List<Node> last = otherwise;
    return (scope, out) -> {
      List<Scope> turns = new ArrayList<>();
      List<@Nullable Object> items = new ArrayList<>();
      for (Object item : list(over.eval(scope))) {
        scope.budget.step();
        Scope turn = new Scope(scope, scope.budget);
        if (names.size() == 1) {
          turn.names.put(names.get(0), item);
        } else {
          List<@Nullable Object> parts = list(item);
          for (int i = 0; i < names.size(); i++) {
            turn.names.put(names.get(i), i < parts.size() ? parts.get(i) : UNDEFINED);
          }
        }
        if (filter == null || truth(filter.eval(turn))) {
          turns.add(turn);
          items.add(item);
        }
      }
      if (turns.isEmpty()) {
        run(last, scope, out);
      }
      for (int i = 0; i < turns.size(); i++) {
        Map<String, @Nullable Object> loop = new LinkedHashMap<>();
        loop.put("index", (long) i + 1);
        loop.put("index0", (long) i);
        loop.put("revindex", (long) turns.size() - i);
        loop.put("revindex0", (long) turns.size() - i - 1);
        loop.put("first", i == 0);
        loop.put("last", i + 1 == turns.size());
        loop.put("length", (long) turns.size());
        loop.put("previtem", i > 0 ? items.get(i - 1) : UNDEFINED);
        loop.put("nextitem", i + 1 < items.size() ? items.get(i + 1) : UNDEFINED);
        turns.get(i).names.put("loop", loop);
        try {
          run(body, turns.get(i), out);
        } catch (Jump jump) {
          if (!jump.next) {
            break;
          }
        }
      }
    };
  }

  private Node assignment() throws TemplateException {
    List<String> names = new ArrayList<>();
    names.add(name());
    String field = eat(".") ? name() : "";
    while (eat(",")) {
      names.add(name());
    }
    if (!eat("=")) {
      expect("%}");
      List<Node> body = block();
      close("endset");
      return (scope, out) -> {
        StringBuilder text = new StringBuilder();
        run(body, new Scope(scope, scope.budget), text);
        scope.names.put(names.get(0), text.toString());
      };
    }
    Expr value = tuple();
    expect("%}");
    return (scope, out) -> {
      Object v = value.eval(scope);
      if (!field.isEmpty()) {
        map(scope.get(names.get(0))).put(field, v);
      } else if (names.size() == 1) {
        scope.names.put(names.get(0), v);
      } else {
        List<@Nullable Object> parts = list(v);
        for (int i = 0; i < names.size(); i++) {
          scope.names.put(names.get(i), i < parts.size() ? parts.get(i) : UNDEFINED);
        }
      }
    };
  }

  private Node macro() throws TemplateException {
    String name = name();
    expect("(");
    List<String> params = new ArrayList<>();
    List<Expr> defaults = new ArrayList<>();
    while (!eat(")")) {
      params.add(name());
      defaults.add(eat("=") ? expr() : scope -> UNDEFINED);
      if (!is(")")) {
        expect(",");
      }
    }
    expect("%}");
    List<Node> body = block();
    close("endmacro");
    return (scope, out) ->
        scope.names.put(
            name,
            (Call)
                (args, named) -> {
                  Scope inner = new Scope(scope, scope.budget);
                  for (int i = 0; i < params.size(); i++) {
                    String param = params.get(i);
                    Object value =
                        i < args.size()
                            ? args.get(i)
                            : named.containsKey(param)
                                ? named.get(param)
                                : defaults.get(i).eval(scope);
                    inner.names.put(param, value);
                  }
                  StringBuilder text = new StringBuilder();
                  run(body, inner, text);
                  return text.toString();
                });
  }

  // --- expressions

  private Expr tuple() throws TemplateException {
    Expr first = expr();
    if (!is(",")) {
      return first;
    }
    List<Expr> parts = new ArrayList<>(List.of(first));
    while (eat(",")) {
      if (peek().kind == Kind.CLOSE || is(")")) {
        break;
      }
      parts.add(expr());
    }
    return scope -> all(parts, scope);
  }

  private static List<@Nullable Object> all(List<Expr> parts, Scope scope)
      throws TemplateException {
    List<@Nullable Object> out = new ArrayList<>();
    for (Expr part : parts) {
      out.add(part.eval(scope));
    }
    return out;
  }

  private Expr expr() throws TemplateException {
    deeper();
    Expr value = or();
    while (eat("if")) {
      Expr test = or();
      Expr yes = value;
      Expr no = eat("else") ? expr() : scope -> UNDEFINED;
      value = scope -> truth(test.eval(scope)) ? yes.eval(scope) : no.eval(scope);
    }
    depth--;
    return value;
  }

  private Expr or() throws TemplateException {
    Expr left = and();
    while (eat("or")) {
      Expr a = left;
      Expr b = and();
      left =
          scope -> {
            Object v = a.eval(scope);
            return truth(v) ? v : b.eval(scope);
          };
    }
    return left;
  }

  private Expr and() throws TemplateException {
    Expr left = not();
    while (eat("and")) {
      Expr a = left;
      Expr b = not();
      left =
          scope -> {
            Object v = a.eval(scope);
            return truth(v) ? b.eval(scope) : v;
          };
    }
    return left;
  }

  private Expr not() throws TemplateException {
    if (eat("not")) {
      deeper();
      Expr inner = not();
      depth--;
      return scope -> !truth(inner.eval(scope));
    }
    return comparison();
  }

  private Expr comparison() throws TemplateException {
    Expr left = sum();
    while (true) {
      Expr a = left;
      if (is("==") || is("!=") || is("<") || is(">") || is("<=") || is(">=")) {
        String op = next().text;
        Expr b = sum();
        left = scope -> compare(op, a.eval(scope), b.eval(scope));
      } else if (is("in")) {
        at++;
        Expr b = sum();
        left = scope -> within(a.eval(scope), b.eval(scope));
      } else if (is("not") && tokens.get(at + 1).text.equals("in")) {
        at += 2;
        Expr b = sum();
        left = scope -> !within(a.eval(scope), b.eval(scope));
      } else {
        return left;
      }
    }
  }

  private static boolean compare(String op, @Nullable Object a, @Nullable Object b)
      throws TemplateException {
    if (op.equals("==")) {
      return same(a, b);
    }
    if (op.equals("!=")) {
      return !same(a, b);
    }
    int order =
        a instanceof String x && b instanceof String y
            ? x.compareTo(y)
            : Double.compare(number(a), number(b));
    return switch (op) {
      case "<" -> order < 0;
      case ">" -> order > 0;
      case "<=" -> order <= 0;
      default -> order >= 0;
    };
  }

  private static boolean same(@Nullable Object a, @Nullable Object b) {
    if (a instanceof Number x && b instanceof Number y) {
      return x.doubleValue() == y.doubleValue();
    }
    return Objects.equals(a, b);
  }

  private static boolean within(@Nullable Object a, @Nullable Object b) throws TemplateException {
    if (b instanceof String text) {
      return text.contains(str(a));
    }
    if (b instanceof Map<?, ?> map) {
      return a != null && map.containsKey(a);
    }
    for (Object item : list(b)) {
      if (same(a, item)) {
        return true;
      }
    }
    return false;
  }

  private Expr sum() throws TemplateException {
    Expr left = product();
    while (is("+") || is("-") || is("~")) {
      String op = next().text;
      Expr a = left;
      Expr b = product();
      left =
          scope -> {
            Object x = a.eval(scope);
            Object y = b.eval(scope);
            if (op.equals("~") || (op.equals("+") && x instanceof String && y instanceof String)) {
              return scope.budget.text(str(x) + str(y));
            }
            if (op.equals("+") && x instanceof List<?> p && y instanceof List<?> q) {
              List<@Nullable Object> both = new ArrayList<>(p);
              both.addAll(q);
              for (int i = 0; i < both.size(); i++) {
                scope.budget.step();
              }
              return both;
            }
            if (x instanceof Long p && y instanceof Long q) {
              return op.equals("+") ? p + q : p - q;
            }
            return op.equals("+") ? number(x) + number(y) : number(x) - number(y);
          };
    }
    return left;
  }

  private Expr product() throws TemplateException {
    Expr left = unary();
    while (is("*") || is("/") || is("//") || is("%")) {
      String op = next().text;
      Expr a = left;
      Expr b = unary();
      left =
          scope -> {
            Object x = a.eval(scope);
            Object y = b.eval(scope);
            if (op.equals("*") && x instanceof String s && y instanceof Long n) {
              if (n * s.length() > EngineLimits.MOST_TEMPLATE_CHARS) {
                throw new TemplateException("the template writes too much");
              }
              return scope.budget.text(s.repeat((int) Math.max(0, n)));
            }
            if (!op.equals("/") && x instanceof Long p && y instanceof Long q) {
              return switch (op) {
                case "*" -> p * q;
                case "//" -> Math.floorDiv(p, q);
                default -> Math.floorMod(p, q);
              };
            }
            double p = number(x);
            double q = number(y);
            return switch (op) {
              case "*" -> p * q;
              case "/" -> p / q;
              case "//" -> Math.floor(p / q);
              default -> p - q * Math.floor(p / q);
            };
          };
    }
    return left;
  }

  private Expr unary() throws TemplateException {
    if (eat("-")) {
      deeper();
      Expr inner = unary();
      depth--;
      return scope -> {
        Object v = inner.eval(scope);
        return v instanceof Long n ? (Object) (-n) : (Object) (-number(v));
      };
    }
    if (eat("+")) {
      deeper();
      Expr inner = unary();
      depth--;
      return inner;
    }
    return filtered();
  }

  private Expr filtered() throws TemplateException {
    Expr value = postfix(primary());
    while (true) {
      Expr inner = value;
      if (eat("|")) {
        String name = name();
        Args args = is("(") ? args() : new Args(List.of(), Map.of());
        value =
            scope ->
                JinjaFilters.apply(name, inner.eval(scope), args.values(scope), args.named(scope));
        value = postfix(value);
      } else if (eat("is")) {
        boolean not = eat("not");
        String name = name();
        Expr arg =
            is("(") || peek().kind == Kind.STRING || peek().kind == Kind.NUMBER
                ? postfix(primary())
                : scope -> UNDEFINED;
        value = scope -> not != JinjaFilters.test(name, inner.eval(scope), arg.eval(scope));
      } else {
        return value;
      }
    }
  }

  private record Args(List<Expr> places, Map<String, Expr> byName) {
    List<@Nullable Object> values(Scope scope) throws TemplateException {
      return all(places, scope);
    }

    Map<String, @Nullable Object> named(Scope scope) throws TemplateException {
      Map<String, @Nullable Object> out = new LinkedHashMap<>();
      for (Map.Entry<String, Expr> e : byName.entrySet()) {
        out.put(e.getKey(), e.getValue().eval(scope));
      }
      return out;
    }
  }

  private Args args() throws TemplateException {
    expect("(");
    List<Expr> places = new ArrayList<>();
    Map<String, Expr> named = new LinkedHashMap<>();
    while (!eat(")")) {
      if (peek().kind == Kind.NAME
          && tokens.get(at + 1).kind == Kind.SIGN
          && tokens.get(at + 1).text.equals("=")) {
        String name = name();
        at++;
        named.put(name, expr());
      } else {
        places.add(expr());
      }
      if (!is(")")) {
        expect(",");
      }
    }
    return new Args(places, named);
  }

  private Expr postfix(Expr start) throws TemplateException {
    Expr value = start;
    while (true) {
      Expr inner = value;
      if (eat(".")) {
        String name = name();
        if (is("(")) {
          Args args = args();
          value =
              scope -> {
                Object v = inner.eval(scope);
                if (v instanceof Map<?, ?> m && m.get(name) instanceof Call call) {
                  return call.call(args.values(scope), args.named(scope));
                }
                return JinjaFilters.method(name, v, args.values(scope));
              };
        } else {
          value = scope -> member(inner.eval(scope), name);
        }
      } else if (is("(")) {
        Args args = args();
        value =
            scope -> {
              scope.budget.step();
              if (inner.eval(scope) instanceof Call call) {
                return call.call(args.values(scope), args.named(scope));
              }
              throw new TemplateException("something is called that is no function");
            };
      } else if (eat("[")) {
        value = subscript(inner);
      } else {
        return value;
      }
    }
  }

  private Expr subscript(Expr inner) throws TemplateException {
    Expr first = is(":") ? null : expr();
    if (eat("]")) {
      Expr index = Objects.requireNonNull(first);
      return scope -> member(inner.eval(scope), index.eval(scope));
    }
    expect(":");
    Expr second = is("]") || is(":") ? null : expr();
    Expr third = eat(":") && !is("]") ? expr() : null;
    expect("]");
    return scope -> {
      Object v = inner.eval(scope);
      int n = v instanceof String s ? s.length() : list(v).size();
      long by = third == null ? 1 : whole(third.eval(scope));
      if (by == 0) {
        throw new TemplateException("a slice goes by 0");
      }
      long from = first == null ? (by > 0 ? 0 : n - 1) : bound(whole(first.eval(scope)), n, by > 0);
      long to = second == null ? (by > 0 ? n : -1) : bound(whole(second.eval(scope)), n, by > 0);
      StringBuilder text = new StringBuilder();
      List<@Nullable Object> out = new ArrayList<>();
      for (long i = from; by > 0 ? i < to : i > to; i += by) {
        scope.budget.step();
        if (v instanceof String s) {
          text.append(s.charAt((int) i));
        } else {
          out.add(list(v).get((int) i));
        }
      }
      return v instanceof String ? text.toString() : out;
    };
  }

  private static long bound(long at, int n, boolean up) {
    long i = at < 0 ? at + n : at;
    return up ? Math.clamp(i, 0, n) : Math.clamp(i, -1, n - 1);
  }

  private Expr primary() throws TemplateException {
    Token t = next();
    switch (t.kind) {
      case STRING -> {
        StringBuilder text = new StringBuilder(t.text);
        while (peek().kind == Kind.STRING) {
          text.append(next().text);
        }
        String whole = text.toString();
        return scope -> whole;
      }
      case NUMBER -> {
        try {
          Object n =
              t.text.contains(".")
                  ? (Object) Double.valueOf(t.text)
                  : (Object) Long.valueOf(t.text);
          return scope -> n;
        } catch (NumberFormatException e) {
          throw new TemplateException("'" + t.text + "' is no number");
        }
      }
      case NAME -> {
        switch (t.text) {
          case "true", "True" -> {
            return scope -> true;
          }
          case "false", "False" -> {
            return scope -> false;
          }
          case "none", "None" -> {
            return scope -> null;
          }
          default -> {
            return scope -> scope.get(t.text);
          }
        }
      }
      case SIGN -> {
        if (t.text.equals("(")) {
          if (eat(")")) {
            return scope -> new ArrayList<>();
          }
          Expr inner = tuple();
          expect(")");
          return inner;
        }
        if (t.text.equals("[")) {
          List<Expr> parts = new ArrayList<>();
          while (!eat("]")) {
            parts.add(expr());
            if (!is("]")) {
              expect(",");
            }
          }
          return scope -> all(parts, scope);
        }
        if (t.text.equals("{")) {
          List<Expr> keys = new ArrayList<>();
          List<Expr> values = new ArrayList<>();
          while (!eat("}")) {
            keys.add(expr());
            expect(":");
            values.add(expr());
            if (!is("}")) {
              expect(",");
            }
          }
          return scope -> {
            Map<String, @Nullable Object> map = new LinkedHashMap<>();
            for (int i = 0; i < keys.size(); i++) {
              map.put(str(keys.get(i).eval(scope)), values.get(i).eval(scope));
            }
            return map;
          };
        }
        throw new TemplateException("'" + t.text + "' stands where a value should be");
      }
      case TEXT, OPEN_EXPR, OPEN_BLOCK, CLOSE, END ->
          throw new TemplateException("a value is missing before '" + t.text + "'");
    }
    throw new TemplateException("a value is missing");
  }

  // --- values

  static @Nullable Object member(@Nullable Object of, @Nullable Object key)
      throws TemplateException {
    if (of instanceof Map<?, ?> map) {
      return key != null && map.containsKey(key) ? map.get(key) : UNDEFINED;
    }
    if (key instanceof Long n) {
      if (of instanceof String s) {
        long i = n < 0 ? n + s.length() : n;
        return i >= 0 && i < s.length() ? String.valueOf(s.charAt((int) i)) : UNDEFINED;
      }
      if (of instanceof List<?> all) {
        long i = n < 0 ? n + all.size() : n;
        return i >= 0 && i < all.size() ? all.get((int) i) : UNDEFINED;
      }
    }
    if (UNDEFINED.equals(of) || of == null) {
      throw new TemplateException("'" + str(key) + "' is asked of something that is not there");
    }
    return UNDEFINED;
  }

  static boolean truth(@Nullable Object v) {
    if (v == null || v.equals(UNDEFINED)) {
      return false;
    }
    return switch (v) {
      case Boolean b -> b;
      case Number n -> n.doubleValue() != 0;
      case String s -> !s.isEmpty();
      case List<?> l -> !l.isEmpty();
      case Map<?, ?> m -> !m.isEmpty();
      default -> true;
    };
  }

  static String str(@Nullable Object v) {
    if (v == null) {
      return "None";
    }
    return switch (v) {
      case Boolean b -> b ? "True" : "False";
      case List<?> l -> JinjaFilters.json(l, -1);
      case Map<?, ?> m -> JinjaFilters.json(m, -1);
      default -> v.toString();
    };
  }

  static double number(@Nullable Object v) throws TemplateException {
    if (v instanceof Number n) {
      return n.doubleValue();
    }
    if (v instanceof Boolean b) {
      return b ? 1 : 0;
    }
    throw new TemplateException("'" + str(v) + "' is no number");
  }

  static long whole(@Nullable Object v) throws TemplateException {
    return (long) number(v);
  }

  static @Nullable Object arg(List<@Nullable Object> args, int i) {
    return i < args.size() ? args.get(i) : UNDEFINED;
  }

  static List<@Nullable Object> list(@Nullable Object v) throws TemplateException {
    if (UNDEFINED.equals(v)) {
      return List.of();
    }
    if (v instanceof List<?> l) {
      return Collections.unmodifiableList(new ArrayList<@Nullable Object>(l));
    }
    if (v instanceof Map<?, ?> m) {
      return new ArrayList<>(m.keySet());
    }
    if (v instanceof String s) {
      List<@Nullable Object> out = new ArrayList<>();
      s.codePoints().forEach(c -> out.add(Character.toString(c)));
      return out;
    }
    throw new TemplateException("'" + str(v) + "' is no list");
  }

  @SuppressWarnings("unchecked")
  static Map<String, @Nullable Object> map(@Nullable Object v) throws TemplateException {
    if (v instanceof Map<?, ?> m) {
      return (Map<String, @Nullable Object>) m;
    }
    throw new TemplateException("'" + str(v) + "' is no map");
  }

  static final Comparator<@Nullable Object> ORDER =
      (a, b) ->
          a instanceof Number x && b instanceof Number y
              ? Double.compare(x.doubleValue(), y.doubleValue())
              : str(a).compareTo(str(b));
}
