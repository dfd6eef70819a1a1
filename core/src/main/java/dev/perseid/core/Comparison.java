package dev.perseid.core;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// When two results of a native task count as alike, output by output. It need not be transitive:
/// what several providers gave is compared with the first of those that are alike.
public sealed interface Comparison {
  /// The same bytes.
  record Exact() implements Comparison {}

  /// The same text, but numbers in it may differ by as much as either tolerance allows: `|a - b| <=
  /// max(absolute, relative * max(|a|, |b|))`. A number is written in decimal, may have a sign, a
  /// point and an exponent, and is not part of a word. White space counts as one space, and not at
  /// all at the beginning and the end.
  ///
  /// @param relative from 0 to 1
  /// @param absolute 0 or more
  record Numeric(double relative, double absolute) implements Comparison {
    /// Whether two texts are alike. O(bytes).
    public boolean alike(byte[] a, byte[] b) {
      Tokens as = new Tokens(a);
      Tokens bs = new Tokens(b);
      while (true) {
        boolean aGoesOn = as.next();
        boolean bGoesOn = bs.next();
        if (!aGoesOn || !bGoesOn) {
          return aGoesOn == bGoesOn;
        }
        boolean numbers = as.isNumber && bs.isNumber;
        if (numbers ? !isNear(as.number, bs.number) : as.octet != bs.octet) {
          return false;
        }
      }
    }

    private boolean isNear(double a, double b) {
      double most = Math.max(absolute, relative * Math.max(Math.abs(a), Math.abs(b)));
      return a == b || (!Double.isInfinite(a - b) && Math.abs(a - b) <= most);
    }
  }

  /// The same lines in any order, each as often. Lines end with a line feed, with or without a
  /// carriage return before it; the last one need not.
  record Lines() implements Comparison {
    /// Whether two texts are alike. O(bytes log lines).
    public static boolean alike(byte[] a, byte[] b) {
      if (tooMany(a) || tooMany(b)) {
        return false;
      }
      List<byte[]> as = sorted(a);
      List<byte[]> bs = sorted(b);
      if (as.size() != bs.size()) {
        return false;
      }
      for (int i = 0; i < as.size(); i++) {
        if (!Arrays.equals(as.get(i), bs.get(i))) {
          return false;
        }
      }
      return true;
    }

    private static boolean tooMany(byte[] text) {
      int lines = 0;
      for (byte b : text) {
        lines += b == '\n' ? 1 : 0;
      }
      return lines > Limits.COMPARED_LINES;
    }

    private static List<byte[]> sorted(byte[] text) {
      List<byte[]> lines = new ArrayList<>();
      int start = 0;
      for (int i = 0; i <= text.length; i++) {
        boolean ends = i == text.length ? i > start : text[i] == '\n';
        if (ends) {
          int end = i > start && text[i - 1] == '\r' ? i - 1 : i;
          lines.add(Arrays.copyOfRange(text, start, end));
          start = i + 1;
        }
      }
      lines.sort(Arrays::compare);
      return lines;
    }
  }

  /// A portable module of the consumer's says so. Its inputs are the outputs of the one, then those
  /// of the other; it has one output, which begins with `1` if they are alike. If it does not end
  /// well they are not.
  record Module(Blob module) implements Comparison {}

  /// Whether this looks at more than the hashes of outputs.
  default boolean reads() {
    return !(this instanceof Exact);
  }

  /// A text as numbers and single octets.
  final class Tokens {
    private static final int SPACE = ' ';

    private final byte[] text;
    private int at;
    private int end;
    private boolean inWord;
    boolean isNumber;
    double number;

    /// What is there where no number is; -1 where one is.
    int octet;

    Tokens(byte[] text) {
      this.text = text;
      end = text.length;
      while (end > 0 && isSpace(text[end - 1])) {
        end--;
      }
      while (at < end && isSpace(text[at])) {
        at++;
      }
    }

    /// Goes to the next token; false if there is none.
    boolean next() {
      isNumber = false;
      if (at == end) {
        return false;
      }
      if (isSpace(text[at])) {
        while (isSpace(text[at])) {
          at++;
        }
        octet = SPACE;
        inWord = false;
        return true;
      }
      int after = inWord ? at : numberEnd();
      if (after > at) {
        number = Double.parseDouble(new String(text, at, after - at, StandardCharsets.US_ASCII));
        isNumber = true;
        octet = -1;
        at = after;
        inWord = true;
        return true;
      }
      octet = text[at++] & 0xFF;
      inWord = isWord(octet);
      return true;
    }

    /// Where a number that begins here ends; here if none does.
    private int numberEnd() {
      int i = at;
      if (text[i] == '-' || text[i] == '+') {
        i++;
      }
      int whole = digits(i);
      int fraction = whole;
      if (fraction < end && text[fraction] == '.') {
        fraction = digits(fraction + 1);
      }
      boolean has = whole > i || fraction > whole + 1;
      if (!has) {
        return at;
      }
      int after = fraction;
      if (after < end && (text[after] == 'e' || text[after] == 'E')) {
        int sign = after + 1;
        if (sign < end && (text[sign] == '-' || text[sign] == '+')) {
          sign++;
        }
        int exponent = digits(sign);
        after = exponent > sign ? exponent : after;
      }
      return after < end && isWord(text[after] & 0xFF) ? at : after;
    }

    private int digits(int from) {
      int i = from;
      while (i < end && text[i] >= '0' && text[i] <= '9') {
        i++;
      }
      return i;
    }

    private static boolean isSpace(byte b) {
      return b == ' ' || (b >= '\t' && b <= '\r');
    }

    /// Letters, digits, and what is no ASCII.
    private static boolean isWord(int octet) {
      return (octet >= '0' && octet <= '9')
          || (octet >= 'a' && octet <= 'z')
          || (octet >= 'A' && octet <= 'Z')
          || octet == '_'
          || octet >= 0x80;
    }
  }
}
