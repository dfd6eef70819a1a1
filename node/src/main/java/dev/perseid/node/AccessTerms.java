package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.settle.SignIn;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Who may come to a pool as what, and from which pages people sign in.
///
/// @param operators beside the pool's own key
/// @param auditors who may see everybody's records, receipts and accounts
/// @param domains RFC 3986 authorities of pages on which people sign in with their wallets
///   (EIP-4361), e.g. `pool.example.org`. The pool's own address and port, and `localhost` where it
///   listens on loopback, always count
public record AccessTerms(Set<Address> operators, Set<Address> auditors, List<String> domains) {
  private static final Pattern DOMAIN =
      Pattern.compile("[a-z0-9.-]{1,253}(:[0-9]{1,5})?|\\[[0-9a-f:.]+\\](:[0-9]{1,5})?");

  /// No operator but the pool's own key, no auditors, no other domains.
  public static final AccessTerms NONE = new AccessTerms(Set.of(), Set.of(), List.of());

  /// @throws IllegalArgumentException with what is wrong and what to write instead
  public AccessTerms {
    operators = Set.copyOf(operators);
    auditors = Set.copyOf(auditors);
    domains = domains.stream().map(d -> d.toLowerCase(Locale.ROOT)).toList();
    for (String domain : domains) {
      if (!DOMAIN.matcher(domain).matches()) {
        throw new IllegalArgumentException(
            "the domain '" + domain + "': write host or host:port, e.g. pool.example.org");
      }
    }
  }

  /// Whether an address may come in a role.
  boolean may(Address pool, Address who, Role role) {
    return switch (role) {
      case OWNER -> who.equals(pool);
      case OPERATOR -> who.equals(pool) || operators.contains(who);
      case AUDITOR -> auditors.contains(who);
      case CONSUMER, PROVIDER -> true;
    };
  }

  /// The domains of a pool that listens somewhere.
  Domains at(Address pool, String host, int port, boolean loopback) {
    String shown = host.contains(":") && !host.startsWith("[") ? "[" + host + "]" : host;
    List<String> own =
        loopback ? List.of(shown + ":" + port, "localhost:" + port) : List.of(shown + ":" + port);
    return new Domains(
        pool, java.util.stream.Stream.concat(own.stream(), domains.stream()).distinct().toList());
  }

  /// The authorities whose pages may have people sign in here.
  record Domains(Address pool, List<String> names) {
    /// What keeps a message from being meant for us; null if nothing.
    @Nullable String problem(SignIn in) {
      String domain = in.domain().toLowerCase(Locale.ROOT);
      if (!names.contains(domain)) {
        return "people sign in to this pool at "
            + String.join(", ", names)
            + ", and this message is for another domain";
      }
      // Either the page's own address, or the pool's name.
      if (in.uri().equals("urn:perseid:pool:" + pool)) {
        return null;
      }
      String authority = URI.create(in.uri()).getRawAuthority();
      return authority != null && authority.toLowerCase(Locale.ROOT).equals(domain)
          ? null
          : "the URI must be of the domain that signs in, or urn:perseid:pool:" + pool;
    }
  }
}
