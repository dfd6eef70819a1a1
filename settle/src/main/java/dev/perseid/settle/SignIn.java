package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A message by which somebody signs in with its Ethereum account (EIP-4361). What is here has been
/// read by the letter of the EIP's grammar; whether it is meant for us and fresh is for the reader.
///
/// @param scheme of the page that asked, if it says
/// @param domain RFC 3986 authority of the page that asked
/// @param address the account
/// @param statement what people read, if there is something
/// @param uri what is signed in to
/// @param chainId EIP-155 number of the chain where the account is
/// @param nonce 8 or more letters and digits
/// @param issuedAt when it was made
/// @param expiresAt when it ends, if it does
/// @param notBefore when it begins, if later
/// @param requestId the page's own name for it, if any
/// @param resources what is asked for
public record SignIn(
    Optional<String> scheme,
    String domain,
    Address address,
    Optional<String> statement,
    String uri,
    long chainId,
    String nonce,
    Instant issuedAt,
    Optional<Instant> expiresAt,
    Optional<Instant> notBefore,
    Optional<String> requestId,
    List<String> resources) {
  /// It is not by the grammar; the message says where.
  public static final class Malformed extends Exception {
    /// @param message where it is wrong
    public Malformed(String message) {
      super(message, null, false, false);
    }
  }

  private static final String WANTS = " wants you to sign in with your Ethereum account:";
  private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*");
  private static final Pattern DOMAIN =
      Pattern.compile(
          "(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?");
  private static final Pattern STATEMENT =
      Pattern.compile("[A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;= -]+");
  private static final Pattern NONCE = Pattern.compile("[A-Za-z0-9]{8,128}");
  private static final Pattern CHAIN = Pattern.compile("[0-9]{1,18}");
  private static final Pattern REQUEST_ID =
      Pattern.compile("(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*");
  private static final Pattern URI_CHARS =
      Pattern.compile("(?:[A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+");
  private static final Pattern TIME =
      Pattern.compile(
          "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,9})?"
              + "(?:[Zz]|[+-][0-9]{2}:[0-9]{2})");

  public SignIn {
    resources = List.copyOf(resources);
  }

  /// Reads a message.
  ///
  /// @throws Malformed if it is not exactly of the grammar, or its address has no EIP-55 checksum
  public static SignIn parse(String message) throws Malformed {
    if (message.length() > Limits.SIWE_CHARS) {
      throw new Malformed("the message has more than " + Limits.SIWE_CHARS + " characters");
    }
    Lines lines = new Lines(message);
    String first = lines.next("the line that names the domain");
    if (!first.endsWith(WANTS)) {
      throw new Malformed("line 1 must be: DOMAIN" + WANTS);
    }
    String domain = first.substring(0, first.length() - WANTS.length());
    Optional<String> scheme = Optional.empty();
    int colon = domain.indexOf("://");
    if (colon >= 0) {
      scheme = Optional.of(matching(SCHEME, domain.substring(0, colon), "the scheme"));
      domain = domain.substring(colon + 3);
    }
    matching(DOMAIN, domain, "the domain");
    Address address = address(lines.next("the address"));
    lines.empty();
    String statement = lines.next("the statement or an empty line");
    if (!statement.isEmpty()) {
      matching(STATEMENT, statement, "the statement");
      lines.empty();
    }
    String uri = uri(lines.field("URI: "));
    if (!lines.field("Version: ").equals("1")) {
      throw new Malformed("the version must be 1");
    }
    long chainId = Long.parseLong(matching(CHAIN, lines.field("Chain ID: "), "the chain's id"));
    String nonce = matching(NONCE, lines.field("Nonce: "), "the nonce");
    Instant issuedAt = time(lines.field("Issued At: "), "Issued At");
    Optional<String> expires = lines.optional("Expiration Time: ");
    Optional<String> notBefore = lines.optional("Not Before: ");
    Optional<String> requestId = lines.optional("Request ID: ");
    List<String> resources = new ArrayList<>();
    if (requestId.isPresent()) {
      matching(REQUEST_ID, requestId.get(), "the request's id");
    }
    if (lines.takes("Resources:")) {
      for (Optional<String> r = lines.optional("- "); r.isPresent(); r = lines.optional("- ")) {
        resources.add(uri(r.get()));
      }
    }
    lines.end();
    return new SignIn(
        scheme,
        domain,
        address,
        statement.isEmpty() ? Optional.empty() : Optional.of(statement),
        uri,
        chainId,
        nonce,
        issuedAt,
        expires.isPresent()
            ? Optional.of(time(expires.get(), "Expiration Time"))
            : Optional.empty(),
        notBefore.isPresent() ? Optional.of(time(notBefore.get(), "Not Before")) : Optional.empty(),
        requestId,
        resources);
  }

  /// What a wallet signs for a message: EIP-191, version 0x45 (`personal_sign`).
  public static Hash digest(String message) {
    byte[] bytes = message.getBytes(UTF_8);
    byte[] prefix = ("\u0019Ethereum Signed Message:\n" + bytes.length).getBytes(UTF_8);
    byte[] all = new byte[prefix.length + bytes.length];
    System.arraycopy(prefix, 0, all, 0, prefix.length);
    System.arraycopy(bytes, 0, all, prefix.length, bytes.length);
    return Keccak.hash(all);
  }

  /// An address with the checksum of EIP-55 in its letters' case.
  public static String checksummed(Address address) {
    String lower = address.toString().substring(2);
    byte[] hash = Keccak.hash(lower.getBytes(UTF_8)).bytes();
    StringBuilder out = new StringBuilder("0x");
    for (int i = 0; i < lower.length(); i++) {
      int nibble = (hash[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 0xf;
      char c = lower.charAt(i);
      out.append(nibble >= 8 ? Character.toUpperCase(c) : c);
    }
    return out.toString();
  }

  private static Address address(String text) throws Malformed {
    if (!text.matches("0x[0-9A-Fa-f]{40}")) {
      throw new Malformed("line 2 must be the address: 0x and 40 hexadecimal digits");
    }
    Address address = Address.parse(text.toLowerCase(Locale.ROOT));
    if (!checksummed(address).equals(text)) {
      throw new Malformed(
          "the address has not the checksum of EIP-55: write " + checksummed(address));
    }
    return address;
  }

  private static String uri(String text) throws Malformed {
    matching(URI_CHARS, text, "a URI");
    try {
      if (!new URI(text).isAbsolute()) {
        throw new Malformed("a URI begins with a scheme");
      }
    } catch (URISyntaxException e) {
      throw new Malformed("this is no URI of RFC 3986: " + e.getReason());
    }
    return text;
  }

  private static Instant time(String text, String what) throws Malformed {
    matching(TIME, text, what);
    try {
      return OffsetDateTime.parse(text.toUpperCase(Locale.ROOT)).toInstant();
    } catch (DateTimeException e) {
      throw new Malformed(what + " is no time of RFC 3339");
    }
  }

  private static String matching(Pattern pattern, String text, String what) throws Malformed {
    if (!pattern.matcher(text).matches()) {
      throw new Malformed(what + " is not as EIP-4361 has it");
    }
    return text;
  }

  /// The lines, one after another. Only LF ends one.
  private static final class Lines {
    private final String[] lines;
    private int next;

    Lines(String message) {
      this.lines = message.split("\n", -1);
    }

    private @Nullable String peek() {
      return next < lines.length ? lines[next] : null;
    }

    String next(String what) throws Malformed {
      String line = peek();
      if (line == null) {
        throw new Malformed("the message ends where " + what + " belongs");
      }
      next++;
      return line;
    }

    void empty() throws Malformed {
      if (!next("an empty line").isEmpty()) {
        throw new Malformed("line " + next + " must be empty");
      }
    }

    String field(String name) throws Malformed {
      String line = next("'" + name + "'");
      if (!line.startsWith(name)) {
        throw new Malformed("line " + next + " must begin with '" + name + "'");
      }
      return line.substring(name.length());
    }

    Optional<String> optional(String name) {
      String line = peek();
      if (line == null || !line.startsWith(name)) {
        return Optional.empty();
      }
      next++;
      return Optional.of(line.substring(name.length()));
    }

    boolean takes(String whole) {
      if (!whole.equals(peek())) {
        return false;
      }
      next++;
      return true;
    }

    void end() throws Malformed {
      if (next < lines.length) {
        throw new Malformed(
            "line " + (next + 1) + " is not expected there: fields come once, in EIP-4361's order");
      }
    }
  }
}
