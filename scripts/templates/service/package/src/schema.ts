import { timeDefaultNow } from "@tercet/service/schema";
import { pgTable, text, unique, uuid } from "drizzle-orm/pg-core";

export { requests, system } from "@tercet/service/schema";

export const widgets = pgTable(
  "widgets",
  {
    id: uuid("id").primaryKey(),
    ownerId: uuid("owner_id").notNull(),
    name: text("name").notNull(),
    createTime: timeDefaultNow("create_time"),
  },
  (t) => [unique("widgets_name_of_owner").on(t.ownerId, t.name)],
);
