package chat

// Action is something that somebody can do in a room. Its name is that of the client's request.
type Action string

// The actions.
const (
	ActionSendMessage       Action = "sendMessage"
	ActionGetRecentMessages Action = "getRecentMessages"
	ActionJoinRoom          Action = "joinRoom"
	ActionLeaveRoom         Action = "leaveRoom"
	ActionGetMembers        Action = "getMembers"
	ActionPing              Action = "ping"
	ActionEditMessage       Action = "editMessage"
	ActionDeleteMessage     Action = "deleteMessage"
	ActionAddReaction       Action = "addReaction"
	ActionRemoveReaction    Action = "removeReaction"
	ActionGetChanges        Action = "getChanges"
	ActionSignal            Action = "signal"
	ActionMarkRead          Action = "markRead"
	ActionGetRooms          Action = "getRooms"
	ActionCreateRoom        Action = "createRoom"
	ActionSetRoom           Action = "setRoom"
	ActionGetRoom           Action = "getRoom"
	ActionAddMember         Action = "addMember"
	ActionRemoveMember      Action = "removeMember"
	ActionSetRole           Action = "setRole"
	ActionBanUser           Action = "banUser"
	ActionUnbanUser         Action = "unbanUser"
	ActionMuteUser          Action = "muteUser"
	ActionUnmuteUser        Action = "unmuteUser"
	ActionOpenDirect        Action = "openDirect"
)

// Right is a row of the table of rights.
type Right struct {
	Action Action
	Own    Role // the least role that may do it, to what is one's own if it is done to something
	Others Role // the least role that may do it to what is somebody else's; "" if it is done to nothing
}

// Rights returns the table of rights: what each action takes in a room. A room must not exist for createRoom, and ping,
// getRooms and openDirect are about no room: a stranger may do all these.
func Rights() []Right {
	return []Right{
		{Action: ActionPing, Own: RoleStranger},
		{Action: ActionGetRooms, Own: RoleStranger},
		{Action: ActionCreateRoom, Own: RoleStranger},
		{Action: ActionOpenDirect, Own: RoleStranger},
		{Action: ActionLeaveRoom, Own: RoleStranger},
		{Action: ActionJoinRoom, Own: RoleReader},
		{Action: ActionGetRecentMessages, Own: RoleReader},
		{Action: ActionGetChanges, Own: RoleReader},
		{Action: ActionGetMembers, Own: RoleReader},
		{Action: ActionGetRoom, Own: RoleReader},
		{Action: ActionMarkRead, Own: RoleReader},
		{Action: ActionSendMessage, Own: RoleMember},
		{Action: ActionSignal, Own: RoleMember},
		{Action: ActionAddReaction, Own: RoleMember},
		{Action: ActionRemoveReaction, Own: RoleReader},
		{Action: ActionEditMessage, Own: RoleMember, Others: RoleModerator},
		{Action: ActionDeleteMessage, Own: RoleReader, Others: RoleModerator},
		{Action: ActionRemoveMember, Own: RoleReader, Others: RoleModerator},
		{Action: ActionAddMember, Own: RoleModerator, Others: RoleModerator},
		{Action: ActionSetRoom, Own: RoleModerator},
		{Action: ActionBanUser, Own: RoleModerator, Others: RoleModerator},
		{Action: ActionUnbanUser, Own: RoleModerator, Others: RoleModerator},
		{Action: ActionMuteUser, Own: RoleModerator, Others: RoleModerator},
		{Action: ActionUnmuteUser, Own: RoleModerator, Others: RoleModerator},
		{Action: ActionSetRole, Own: RoleOwner, Others: RoleOwner},
	}
}

// rightTo returns the row of an action. An action that is not in the table is not ok, and for owners only.
func rightTo(a Action) (right Right, ok bool) {
	for _, right := range Rights() {
		if right.Action == a {
			return right, true
		}
	}
	return Right{Action: a, Own: RoleOwner, Others: RoleOwner}, false
}

// leastFor is the least role that may do an action to what is its own.
func leastFor(a Action) Role {
	right, _ := rightTo(a)
	return right.Own
}

// leastForOthers is the least role that may do it to what is somebody else's; "" if it is done to nothing.
func leastForOthers(a Action) Role {
	right, _ := rightTo(a)
	return right.Others
}
