import { useMutation } from "@connectrpc/connect-query";
import { ChangePasswordRequestSchema, IdentityService } from "@tercet/gen/identity/v1/identity";
import { useState } from "react";
import { keepDeviceToken } from "../session/devices.ts";
import { toProblem } from "../session/errors.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { ErrorPanel } from "../ui/states.tsx";
import { notifyDone } from "../ui/toasts.tsx";
import { useForm } from "../ui/use-form.ts";

/** Changes the password, and so ends every other session. */
export function PasswordForm({ email }: { readonly email: string }) {
  const [changes, setChanges] = useState(0);
  // A new form after each change: no password is left in it.
  return <Fields key={changes} email={email} onChanged={() => setChanges(changes + 1)} />;
}

function Fields({ email, onChanged }: { readonly email: string; readonly onChanged: () => void }) {
  // Not idempotent: if the response is lost, the current password may be the new one.
  const change = useMutation(IdentityService.method.changePassword, { retry: false });
  const form = useForm(ChangePasswordRequestSchema, async ({ currentPassword, newPassword }) => {
    const { deviceToken } = await change.mutateAsync({ currentPassword, newPassword });
    keepDeviceToken(email, deviceToken);
    notifyDone("The password was changed. You are signed out everywhere else.");
    onChanged();
  });
  const wrong = form.error !== undefined && toProblem(form.error).reason === "INVALID_CREDENTIALS";
  const problems = wrong
    ? { ...form.problems, currentPassword: "This is not your current password." }
    : form.problems;
  return (
    <form className="form form-narrow" noValidate onSubmit={form.submit}>
      {/* So that a password manager knows whose password this is. */}
      <input type="email" autoComplete="username" value={email} readOnly hidden />
      <Field
        form={{ problems }}
        name="currentPassword"
        label="Current password"
        type="password"
        autoComplete="current-password"
      />
      <Field
        form={form}
        name="newPassword"
        label="New password"
        type="password"
        hint="8 characters or more. It signs you out everywhere else."
        autoComplete="new-password"
      />
      {form.error !== undefined && !wrong && <ErrorPanel error={form.error} />}
      <Button type="submit" look="primary" busy={form.busy}>
        Change password
      </Button>
    </form>
  );
}
