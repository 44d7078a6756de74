import { useRouteContext } from "@tanstack/react-router";
import { Role } from "@tercet/gen/common/v1/access";
import { Facts, Page, Panel } from "../ui/page.tsx";
import { Id } from "../ui/values.tsx";
import { PasswordForm } from "./password-form.tsx";
import { SessionList } from "./session-list.tsx";

/** What a user decides about their own account: the password, and where they are signed in. */
export function AccountPage() {
  const { account } = useRouteContext({ from: "/account" });
  const { id, email, displayName, roles } = account;
  return (
    <Page title="Account" lead="Your password, and where you are signed in.">
      <Panel title="You">
        <Facts
          items={[
            ["Name", displayName],
            ["Email", email],
            ["Roles", roles.map((role) => Role[role]?.toLowerCase()).join(", ")],
            ["User", <Id key="id" value={id} label="user id" />],
          ]}
        />
      </Panel>
      <Panel title="Password">
        <PasswordForm email={email} />
      </Panel>
      <SessionList />
    </Page>
  );
}
