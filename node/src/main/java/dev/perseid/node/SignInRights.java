package dev.perseid.node;

import dev.perseid.core.Rights;
import dev.perseid.core.Scope;
import dev.perseid.settle.SignIn;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// What a message of EIP-4361 asks for, in its resources: `urn:perseid:role:ROLE`,
/// `urn:perseid:scope:SCOPE`, `urn:perseid:model:NAME`. Without any scope among them it asks for
/// all that the role may do. Other resources are not ours; one of ours that is not known is
/// refused, so that no slip of the pen gives more than was meant.
record SignInRights(Role role, Rights rights) {
  private static final String OURS = "urn:perseid:";

  static SignInRights of(SignIn in) throws SignIn.Malformed {
    Role role = Role.CONSUMER;
    boolean hasRole = false;
    EnumSet<Scope> scopes = EnumSet.noneOf(Scope.class);
    List<String> models = new ArrayList<>();
    for (String resource : in.resources()) {
      if (!resource.startsWith(OURS)) {
        continue;
      }
      String rest = resource.substring(OURS.length());
      int colon = rest.indexOf(':');
      String value = rest.substring(colon + 1);
      switch (colon < 0 ? "" : rest.substring(0, colon)) {
        case "role" -> {
          Optional<Role> named = Role.of(value);
          if (named.isEmpty() || hasRole) {
            throw new SignIn.Malformed("the message names no role that there is, or two");
          }
          role = named.get();
          hasRole = true;
        }
        case "scope" ->
            scopes.add(
                Scope.of(value)
                    .orElseThrow(() -> new SignIn.Malformed("there is no scope '" + value + "'")));
        case "model" -> models.add(value);
        default -> throw new SignIn.Malformed("the resource " + resource + " is not known here");
      }
    }
    Rights rights =
        new Rights(
            scopes.isEmpty() ? EnumSet.allOf(Scope.class) : scopes,
            models,
            OptionalLong.empty(),
            OptionalLong.empty());
    if (role != Role.CONSUMER && !rights.equals(Rights.ALL)) {
      throw new SignIn.Malformed("scopes are for consumers; a message names a role or scopes");
    }
    return new SignInRights(role, rights);
  }
}
